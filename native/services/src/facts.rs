//! What the core must know of the host.

use rustix::fs::{Mode, OFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::host_facts::{CgroupMode, Hierarchy, HostFacts};
use tsrunc_sys::errno::During;

use crate::cgroup::{CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// Finds the facts. Reads no mount table where the hierarchies are at their usual places: a host may have thousands of mounts.
pub fn host_facts() -> Result<HostFacts, Failure> {
    let own = read_if_there("/proc/self/cgroup")?.unwrap_or_default();
    let (cgroup_mode, hierarchies) = hierarchies(&own)?;
    let v2_controllers = match hierarchies.iter().find(|hierarchy| hierarchy.controllers.is_empty()) {
        Some(unified) => read(&format!("{}/cgroup.controllers", unified.mountpoint))?.split_whitespace().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let last_capability = last_capability();
    let permitted = tsrunc_sys::process::permitted_capabilities().during(|| "find the caller's capabilities".into())?;
    Ok(HostFacts {
        euid: rustix::process::geteuid().as_raw(),
        egid: rustix::process::getegid().as_raw(),
        // A kernel without user namespaces has no such file.
        in_user_namespace: read_if_there("/proc/self/uid_map")?.is_some_and(|map| !is_initial_map(&map)),
        cgroup_mode,
        hierarchies,
        v2_controllers,
        last_capability,
        missing_capabilities: (0..=last_capability.min(63)).filter(|bit| permitted & (1 << bit) == 0).collect(),
    })
}

/// The text of one of the kernel's files. They have no size, which `std::fs::read_to_string` finds out by reading a little at first.
fn read(path: &str) -> Result<String, Failure> {
    let during = || format!("read {path:?}");
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let mut bytes = Vec::with_capacity(4096);
    while rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)).during(during)? > 0 {
        bytes.reserve(4096);
    }
    String::from_utf8(bytes).map_err(|error| Failure::new(FailureCode::NotUtf8, during(), error.to_string()))
}

/// The text of a file that some kernels lack.
fn read_if_there(path: &str) -> Result<Option<String>, Failure> {
    match read(path) {
        Err(failure) if failure.errno.as_deref() == Some("ENOENT") => Ok(None),
        result => result.map(Some),
    }
}

/// The highest capability that the kernel knows. A sandbox may hide /proc/sys.
fn last_capability() -> u32 {
    let found = read("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse().ok());
    found.unwrap_or_else(|| (0..64).take_while(|capability| tsrunc_sys::process::knows_capability(*capability)).last().unwrap_or(0))
}

/// The initial user namespace maps every id to itself.
fn is_initial_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn magic(path: &str) -> Option<u64> {
    rustix::fs::statfs(path).ok().map(|found| found.f_type as u64)
}

fn hierarchies(own: &str) -> Result<(CgroupMode, Vec<Hierarchy>), Failure> {
    if magic(CGROUP_ROOT) == Some(CGROUP2_SUPER_MAGIC) {
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        return Ok((CgroupMode::V2, vec![hierarchy(&[], CGROUP_ROOT.into(), path)?]));
    }
    let mut found = Vec::new();
    let mut elsewhere = Vec::new();
    for line in own.lines() {
        let Some((controllers, path)) = line.split_once(':').and_then(|(_, rest)| rest.split_once(':')) else { continue };
        let controllers: Vec<&str> = controllers.split(',').filter(|name| !name.is_empty()).collect();
        match usual_place(&controllers) {
            Some(mountpoint) => found.push(hierarchy(&controllers, mountpoint, path)?),
            // Every kernel lists cgroup2; beside v1 it is where systemd puts it or nowhere.
            None if controllers.is_empty() => {}
            None => elsewhere.push((controllers, path)),
        }
    }
    if !elsewhere.is_empty() {
        let table = read(MOUNT_TABLE)?;
        for (controllers, path) in elsewhere {
            if let Some(mountpoint) = place_in_table(&table, &controllers) {
                found.push(hierarchy(&controllers, mountpoint, path)?);
            }
        }
    }
    let mode = match (found.is_empty(), found.iter().any(|hierarchy| hierarchy.controllers.is_empty())) {
        (true, _) => CgroupMode::None,
        (false, true) => CgroupMode::Hybrid,
        (false, false) => CgroupMode::V1,
    };
    Ok((mode, found))
}

/// `own`: the caller's cgroup, from the root of the hierarchy; here it is wanted from the root of what is mounted.
fn hierarchy(controllers: &[&str], mountpoint: String, own: &str) -> Result<Hierarchy, Failure> {
    let is_visible = |path: &str| rustix::fs::access(format!("{mountpoint}{path}"), rustix::fs::Access::EXISTS).is_ok();
    let own = if own == "/" || (!own.starts_with("/..") && is_visible(own)) { own.to_owned() } else { below_mount(&read(MOUNT_TABLE)?, &mountpoint, own) };
    Ok(Hierarchy { controllers: controllers.iter().map(|name| (*name).to_owned()).collect(), mountpoint, own })
}

/// A container without a cgroup namespace may see only its own part of a hierarchy, as mount. A cgroup that is outside of
/// what is mounted (or above the root of the cgroup namespace, `/..`) is nowhere in it: then its root does.
fn below_mount(table: &str, mountpoint: &str, own: &str) -> String {
    let mut root = table.lines().filter_map(|line| Some((line.split(' ').nth(3)?, line.split(' ').nth(4)?))).filter(|(_, point)| *point == mountpoint);
    let inner = root.next_back().and_then(|(root, _)| own.strip_prefix(root)).filter(|inner| inner.starts_with('/'));
    inner.unwrap_or("/").to_owned()
}

/// /sys/fs/cgroup/cpu,cpuacct, /sys/fs/cgroup/systemd, /sys/fs/cgroup/unified (systemd's layout, and everybody's since).
fn usual_place(controllers: &[&str]) -> Option<String> {
    let (name, wanted) = match controllers {
        [] => ("unified".to_owned(), CGROUP2_SUPER_MAGIC),
        [one] => (one.strip_prefix("name=").unwrap_or(one).to_owned(), CGROUP_SUPER_MAGIC),
        several => (several.join(","), CGROUP_SUPER_MAGIC),
    };
    let path = format!("{CGROUP_ROOT}/{name}");
    (magic(&path) == Some(wanted)).then_some(path)
}

/// The mount point of a hierarchy by /proc/self/mountinfo (proc_pid_mountinfo(5)): the one that shows its root.
fn place_in_table(table: &str, controllers: &[&str]) -> Option<String> {
    table.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut fields = head.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut tail = tail.split(' ');
        let (fs_type, options) = (tail.next()?, tail.nth(1)?);
        let matches = match controllers {
            [] => fs_type == "cgroup2",
            names => fs_type == "cgroup" && names.iter().all(|name| options.split(',').any(|option| option == *name)),
        };
        (matches && root == "/").then(|| point.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_identity_over_all_ids_is_the_initial_map() {
        assert!(is_initial_map("         0          0 4294967295\n"));
        assert!(!is_initial_map("         0       1000          1\n"));
    }

    #[test]
    fn finds_a_hierarchy_by_its_controllers() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n33 31 0:30 / /cg/a rw shared:3 - cgroup cgroup rw,cpuacct,cpu\n35 31 0:9 / /cg/u rw - cgroup2 cgroup2 rw\n";
        assert_eq!(place_in_table(table, &["cpu", "cpuacct"]).as_deref(), Some("/cg/a"));
        assert_eq!(place_in_table(table, &[]).as_deref(), Some("/cg/u"));
        assert_eq!(place_in_table(table, &["memory"]), None);
    }

    #[test]
    fn a_part_of_a_hierarchy_is_seen_from_its_root() {
        let table = "33 31 0:30 /docker/a /cg/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(below_mount(table, "/cg/memory", "/docker/a"), "/");
        assert_eq!(below_mount(table, "/cg/memory", "/docker/a/b"), "/b");
        assert_eq!(below_mount(table, "/cg/memory", "/docker/ab"), "/");
        assert_eq!(below_mount(table, "/cg/memory", "/../x"), "/");
    }
}
