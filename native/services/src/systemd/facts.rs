//! Facts about systemd that the plan of a unit depends on.

use std::path::Path;

use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::systemd::{BusAddress, SystemdFacts};
use tsrunc_sys::errno::During;

use super::bus::{Bus, CallError, MANAGER_PATH};
use super::unit::{property, MANAGER_INTERFACE};

const SCOPE_INTERFACE: &str = "org.freedesktop.systemd1.Scope";
const INIT_SCOPE: &str = "/org/freedesktop/systemd1/unit/init_2escope";
const UNKNOWN_PROPERTY: &str = "org.freedesktop.DBus.Error.UnknownProperty";
/// The first version that accepts a device's major number instead of the driver's name (src/runtime/plan/systemd-devices.ts).
const DEVICE_NUMBERS_SINCE: u32 = 240;
/// Exists if systemd is PID 1 (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Finds the system manager or, if `user`, the caller's user manager, whose sockets are below `runtime_directory`.
///
/// # Errors
/// systemd does not run, or not for this user. The text is runc's, because managers look for it.
pub fn facts(user: bool, runtime_directory: Option<&str>, wanted: Wanted) -> Result<SystemdFacts, Failure> {
    let unavailable = |cause: String| {
        let cause = format!("systemd cgroup flag passed, but systemd support for managing cgroups is not available: {cause}");
        Failure::new(FailureCode::Other, "use \"--systemd-cgroup\"", cause)
    };
    if !Path::new(BOOTED).is_dir() {
        return Err(unavailable(format!("{BOOTED:?} does not exist")));
    }
    let mut refusals = Vec::new();
    for address in addresses(user, runtime_directory) {
        match manager_facts(&address, wanted) {
            Ok(manager) => return complete_facts(user, address, manager, wanted),
            Err(failure) => refusals.push(failure.to_string()),
        }
    }
    Err(unavailable(refusals.join("; ")))
}

/// Which of the facts that few configurations need to find out.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    pub bfq: bool,
    pub oom_policy: bool,
}

/// What a manager reports about itself.
struct ManagerFacts {
    control_group: String,
    version: u32,
    oom_policy: bool,
}

fn manager_facts(address: &BusAddress, wanted: Wanted) -> Result<ManagerFacts, Failure> {
    let mut bus = Bus::connect(address)?;
    let mut ask = || {
        let control_group = property(&mut bus, MANAGER_PATH, MANAGER_INTERFACE, "ControlGroup")?;
        let version = version_number(&property(&mut bus, MANAGER_PATH, MANAGER_INTERFACE, "Version")?);
        let oom_policy = wanted.oom_policy && has_oom_policy(&mut bus)?;
        Ok(ManagerFacts { control_group, version, oom_policy })
    };
    ask().map_err(|error: CallError| error.during(|| format!("ask {:?}", address.path)))
}

/// The first number of a version such as `252.39-1~deb12u2` or `v245`. 0, older than all, if there is none.
fn version_number(text: &str) -> u32 {
    let digits = text.trim_start_matches('v');
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// Whether scopes support `OOMPolicy`. Asks for the property of init.scope, which always exists, because the version does not tell: some releases of
/// 252 have a backport.
fn has_oom_policy(bus: &mut Bus) -> Result<bool, CallError> {
    match property(bus, INIT_SCOPE, SCOPE_INTERFACE, "OOMPolicy") {
        Ok(_) => Ok(true),
        Err(error) if error.is(UNKNOWN_PROPERTY) => Ok(false),
        Err(error) => Err(error),
    }
}

fn complete_facts(user: bool, bus: BusAddress, manager: ManagerFacts, wanted: Wanted) -> Result<SystemdFacts, Failure> {
    let ManagerFacts { control_group, version, oom_policy } = manager;
    let device_names = match version < DEVICE_NUMBERS_SINCE {
        true => std::fs::read_to_string("/proc/devices").during(|| "read \"/proc/devices\"".into())?,
        false => String::new(),
    };
    let bfq = wanted.bfq && offers_bfq(Path::new("/sys/block"));
    Ok(SystemdFacts { user, bus, control_group, version, device_names, bfq, oom_policy })
}

/// Whether the scheduler BFQ is available for any block device; cgroups have its weight file then. Ignores errors, because devices may disappear, and
/// some have no scheduler.
fn offers_bfq(devices: &Path) -> bool {
    let names = std::fs::read_dir(devices).into_iter().flatten().flatten();
    let mut schedulers = names.filter_map(|device| std::fs::read_to_string(device.path().join("queue/scheduler")).ok());
    schedulers.any(|list| list.split_whitespace().any(|name| matches!(name, "bfq" | "[bfq]")))
}

/// The addresses to try. The manager's own socket comes first, as in systemctl(1): it needs no broker and exists earlier.
fn addresses(user: bool, runtime_directory: Option<&str>) -> Vec<BusAddress> {
    let address = |path: String, direct| BusAddress { path, direct };
    if user {
        let directory = runtime_directory.map_or_else(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()), str::to_owned);
        return vec![address(format!("{directory}/systemd/private"), true), address(format!("{directory}/bus"), false)];
    }
    vec![address("/run/systemd/private".into(), true), address("/run/dbus/system_bus_socket".into(), false)]
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Manager};
    use super::*;

    #[test]
    fn asks_for_oom_policy_only_if_wanted() {
        let answers = |oom_policy| vec![Answer::Text("/"), Answer::Text("252.39-1~deb12u2"), oom_policy];
        let asked = |answers, oom_policy| {
            let manager = Manager::with(answers);
            let facts = manager_facts(&manager.address, Wanted { bfq: false, oom_policy }).map_err(|failure| failure.to_string());
            (facts.map(|facts| (facts.control_group, facts.version, facts.oom_policy)), manager.calls().len())
        };
        assert_eq!(asked(answers(Answer::End)[..2].to_vec(), false), (Ok(("/".into(), 252, false)), 2));
        assert_eq!(asked(answers(Answer::Text("continue")), true), (Ok(("/".into(), 252, true)), 3));
        assert_eq!(asked(answers(Answer::Refusal(UNKNOWN_PROPERTY)), true), (Ok(("/".into(), 252, false)), 3));
        assert!(asked(answers(Answer::Refusal("a.Denied")), true).0.is_err());
    }

    #[test]
    fn version_number_is_the_first_number() {
        assert_eq!(["252.39-1~deb12u2", "v245.4-1.fc32", "258~rc1", "257", "unknown"].map(version_number), [252, 245, 258, 257, 0]);
    }

    #[test]
    fn bfq_is_available_if_a_device_offers_it() {
        let temp = crate::testing::TempDir::new();
        let devices = Path::new(temp.path());
        let scheduler = |name: &str, list: &str| {
            std::fs::create_dir_all(devices.join(name).join("queue")).unwrap();
            std::fs::write(devices.join(name).join("queue/scheduler"), list).unwrap();
        };
        std::fs::create_dir(devices.join("dm-0")).unwrap();
        scheduler("vda", "[none] mq-deadline\n");
        assert!(!offers_bfq(devices));
        scheduler("vdb", "mq-deadline [bfq] none\n");
        assert!(offers_bfq(devices));
    }

    #[test]
    fn reports_that_systemd_does_not_run() {
        if !Path::new(BOOTED).exists() {
            let text = facts(false, None, Wanted::default()).unwrap_err().to_string();
            let expected = "use \"--systemd-cgroup\": systemd cgroup flag passed, but systemd support for managing cgroups is not available: \"/run/systemd/system\" does not exist";
            assert_eq!(text, expected);
        }
    }
}
