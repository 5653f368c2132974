//! Writes limits into the files of cgroups.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::cgroup::CgroupWrite;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::{describe, During};

/// A v2 controller that could not be enabled for the children of `cgroup`.
pub struct Refused {
    pub controller: String,
    pub cgroup: String,
    pub errno: Errno,
}

/// Writes values in the given order. `refused` explains why files of a controller may be missing.
///
/// # Errors
/// The first value that could not be written; those before it stay.
pub fn write_values(writes: &[CgroupWrite], refused: &[Refused]) -> Result<(), Failure> {
    for write in writes {
        let CgroupWrite { path, value, more, pointer, if_missing, may_be_denied, at_least } = write;
        let during = |value: &str| format!("write {:?} = {value:?} ({pointer})", file_name(path));
        let file = match rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => match if_missing {
                Some(fallback) => {
                    write_values(fallback, refused)?;
                    continue;
                }
                None => return Err(Failure::new(FailureCode::Other, during(value), why_missing(path, refused))),
            },
            result => result.during(|| during(value))?,
        };
        if let Some(used) = at_least {
            refuse_below(write, used).during(|| during(value))??;
        }
        for (index, value) in std::iter::once(value).chain(more).enumerate() {
            match rustix::io::write(&file, value.as_bytes()) {
                Err(Errno::PERM) if index < *may_be_denied as usize => {}
                result => result.map(drop).during(|| during(value))?,
            }
        }
    }
    Ok(())
}

/// Checks that every file exists for which `if_missing` has no fallback.
///
/// # Errors
/// The first missing file, and why it is missing.
pub fn require_files<'a>(writes: impl Iterator<Item = &'a CgroupWrite>, refused: &[Refused]) -> Result<(), Failure> {
    for CgroupWrite { path, value, pointer, if_missing, .. } in writes {
        if if_missing.is_none() && !Path::new(path).exists() {
            let operation = format!("write {:?} = {value:?} ({pointer})", file_name(path));
            return Err(Failure::new(FailureCode::Other, operation, why_missing(path, refused)));
        }
    }
    Ok(())
}

/// Refuses a limit that is below the number in the file `used` of the same cgroup.
fn refuse_below(write: &CgroupWrite, used: &str) -> std::io::Result<Result<(), Failure>> {
    let text = std::fs::read_to_string(Path::new(&write.path).with_file_name(used))?;
    let (limit, now) = (write.value.parse::<u64>().unwrap_or(u64::MAX), text.trim().parse::<u64>().unwrap_or(0));
    if limit >= now {
        return Ok(Ok(()));
    }
    let operation = format!("write {:?} = {:?} ({})", file_name(&write.path), write.value, write.pointer);
    Ok(Err(Failure::new(FailureCode::Other, operation, format!("{now} is in use already ({used})"))))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Why a cgroup has no such file: its controller is not enabled, or the kernel is too old or built without it.
fn why_missing(path: &str, refused: &[Refused]) -> String {
    let controller = file_name(path).split('.').next().unwrap_or_default();
    match refused.iter().find(|refused| refused.controller == controller) {
        Some(Refused { cgroup, errno, .. }) => {
            let (name, text) = describe(*errno);
            let reason = match *errno {
                Errno::BUSY => ": it holds processes itself",
                Errno::OPNOTSUPP => ": it is threaded",
                _ => "",
            };
            format!("the controller {controller:?} cannot be enabled below {cgroup:?}: {name} ({text}){reason}")
        }
        None => match not_enabled(Path::new(path), controller) {
            Some(available) => {
                format!("the controller {controller:?} is not delegated to this cgroup, which has {available:?}: see Delegate= in systemd.resource-control(5)")
            }
            None => "this kernel has no such file in a cgroup".into(),
        },
    }
}

/// The controllers that a v2 cgroup has, if the given one is not among them. None on v1, which has no such list.
fn not_enabled(path: &Path, controller: &str) -> Option<String> {
    let available = std::fs::read_to_string(path.with_file_name("cgroup.controllers")).ok()?;
    (controller != "cgroup" && available.split_whitespace().all(|name| name != controller)).then(|| available.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn write(path: String, value: &str) -> CgroupWrite {
        CgroupWrite {
            path,
            value: value.into(),
            more: Vec::new(),
            pointer: "/linux/resources/memory/limit".into(),
            if_missing: None,
            may_be_denied: 0,
            at_least: None,
        }
    }

    #[test]
    fn writes_the_fallback_if_a_file_is_missing() {
        let temp = TempDir::new();
        let there = format!("{}/io.weight", temp.path());
        std::fs::write(&there, "").unwrap();
        let missing = CgroupWrite { if_missing: Some(vec![write(there.clone(), "default 1")]), ..write(format!("{}/io.bfq.weight", temp.path()), "10") };
        write_values(&[missing.clone(), CgroupWrite { if_missing: Some(vec![]), ..missing.clone() }], &[]).unwrap();
        assert_eq!(std::fs::read_to_string(&there).unwrap(), "default 1");
        std::fs::write(&missing.path, "").unwrap();
        write_values(std::slice::from_ref(&missing), &[]).unwrap();
        assert_eq!(std::fs::read_to_string(&missing.path).unwrap(), "10");
    }

    #[test]
    fn at_least_refuses_a_limit_below_the_current_usage() {
        let temp = TempDir::new();
        std::fs::write(format!("{}/memory.max", temp.path()), "").unwrap();
        std::fs::write(format!("{}/memory.current", temp.path()), "4096\n").unwrap();
        let limit = |value: &str| CgroupWrite { at_least: Some("memory.current".into()), ..write(format!("{}/memory.max", temp.path()), value) };
        write_values(&[limit("4096"), limit("max")], &[]).unwrap();
        let failure = write_values(&[limit("4095")], &[]).unwrap_err();
        assert_eq!(failure.to_string(), "write \"memory.max\" = \"4095\" (/linux/resources/memory/limit): 4096 is in use already (memory.current)");
    }

    #[test]
    fn only_the_first_may_be_denied_values_may_be_denied() {
        // A uid_map that has been written refuses further writes with EPERM.
        let denied = |may_be_denied| CgroupWrite { may_be_denied, more: vec!["0 0 1".into()], ..write("/proc/self/uid_map".into(), "0 0 1") };
        write_values(&[denied(2)], &[]).unwrap();
        for too_few in [0, 1] {
            assert_eq!(write_values(&[denied(too_few)], &[]).unwrap_err().errno.as_deref(), Some("EPERM"));
        }
    }

    #[test]
    fn writes_in_order_and_names_file_value_and_field() {
        let temp = TempDir::new();
        let (a, b) = (format!("{}/a", temp.path()), format!("{}/b", temp.path()));
        std::fs::write(&a, "").unwrap();
        std::fs::write(&b, "").unwrap();
        let both = CgroupWrite { more: vec!["2".into()], ..write(a.clone(), "1") };
        write_values(&[both, write(b.clone(), "3")], &[]).unwrap();
        assert_eq!((std::fs::read_to_string(&a).unwrap(), std::fs::read_to_string(&b).unwrap()), ("12".into(), "3".into()));
        let failure = write_values(&[write(format!("{}/memory.limit_in_bytes", temp.path()), "4096")], &[]).unwrap_err();
        assert_eq!(failure.to_string(), "write \"memory.limit_in_bytes\" = \"4096\" (/linux/resources/memory/limit): this kernel has no such file in a cgroup");
        let failure = write_values(&[write("/dev/full".into(), "4096")], &[]).unwrap_err();
        assert_eq!(failure.to_string(), "write \"full\" = \"4096\" (/linux/resources/memory/limit): ENOSPC (no space left on device)");
    }

    #[test]
    fn names_the_controller_that_is_not_delegated() {
        let temp = TempDir::new();
        std::fs::write(format!("{}/cgroup.controllers", temp.path()), "memory pids\n").unwrap();
        let cause = |file: &str| write_values(&[write(format!("{}/{file}", temp.path()), "0")], &[]).unwrap_err().cause;
        assert_eq!(
            cause("cpuset.cpus"),
            "the controller \"cpuset\" is not delegated to this cgroup, which has \"memory pids\": see Delegate= in systemd.resource-control(5)"
        );
        for file in ["memory.nothing", "cgroup.nothing"] {
            assert_eq!(cause(file), "this kernel has no such file in a cgroup");
        }
    }

    #[test]
    fn names_the_controller_that_a_value_needs() {
        let refused = [Refused { controller: "memory".into(), cgroup: "/sys/fs/cgroup/a".into(), errno: Errno::BUSY }];
        let failure = write_values(&[write("/nowhere/memory.max".into(), "1")], &refused).unwrap_err();
        assert_eq!(
            failure.cause,
            "the controller \"memory\" cannot be enabled below \"/sys/fs/cgroup/a\": EBUSY (device or resource busy): it holds processes itself"
        );
    }
}
