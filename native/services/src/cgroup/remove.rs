//! Removes cgroups with everything in them.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, CWD};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::KILL;

use super::is_cgroup;
use super::kill::kill_tree;
use super::tree::walk;
use crate::processes::wait_end;

/// A killed process may take long to exit (a core dump, a slow disk).
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Kills every process of a cgroup tree and removes the tree. Succeeds if it does not exist.
///
/// # Errors
/// The path is not a cgroup, or it is the root of a hierarchy; a process does not exit within 10 seconds.
pub fn remove(path: &str) -> Result<(), Failure> {
    if !is_cgroup(path)? {
        return Ok(());
    }
    // The common case: there are no processes and no child cgroups.
    if remove_if_empty(Path::new(path))? {
        return Ok(());
    }
    refuse_root(path)?;
    let deadline = Instant::now() + KILL_TIMEOUT;
    let mut pause = SHORTEST_PAUSE;
    loop {
        for killed in kill_tree(Path::new(path), KILL)? {
            wait_end(&killed, deadline).during(|| format!("wait for the processes of cgroup {path:?}"))?;
        }
        if remove_tree(Path::new(path))? {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Errno::BUSY).during(|| format!("remove cgroup {path:?}"));
        }
        // A process leaves its cgroup slightly after its exit is reported.
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Never a container's own, and everything in it would be killed.
fn refuse_root(path: &str) -> Result<(), Failure> {
    let during = || format!("remove cgroup {path:?}");
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE).during(during)?;
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Failure::new(FailureCode::BadRequest, during(), "the root of a hierarchy"));
    }
    Ok(())
}

/// Removes a tree, children first. False if there is still a process in it.
fn remove_tree(path: &Path) -> Result<bool, Failure> {
    let mut removed = true;
    walk(path, &mut |cgroup| {
        if let (true, Some((above, name))) = (removed, cgroup.place) {
            removed = is_removed(rustix::fs::unlinkat(above, name, AtFlags::REMOVEDIR)).during(|| format!("remove cgroup {name:?} below {path:?}"))?;
        }
        Ok(())
    })?;
    Ok(removed && remove_if_empty(path)?)
}

/// Returns false if the cgroup has processes or children.
fn remove_if_empty(path: &Path) -> Result<bool, Failure> {
    is_removed(rustix::fs::rmdir(path)).during(|| format!("remove cgroup {path:?}"))
}

fn is_removed(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes a cgroup that has neither processes nor children; leaves others alone.
pub fn remove_empty(path: &str) -> Result<(), Failure> {
    if is_cgroup(path)? {
        remove_if_empty(Path::new(path))?;
    }
    Ok(())
}

/// Removes a tree whose processes have ended; waits until `deadline` for them to leave it. A tree with live processes stays.
pub fn remove_vacated(path: &str, deadline: Instant) -> Result<(), Failure> {
    if !is_cgroup(path)? || remove_if_empty(Path::new(path))? {
        return Ok(());
    }
    refuse_root(path)?;
    while !remove_tree(Path::new(path))? && Instant::now() < deadline {
        std::thread::sleep(LONGEST_PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn refuses_a_directory_that_is_not_a_cgroup() {
        let temp = TempDir::new();
        for removal in [remove, remove_empty, |path: &str| remove_vacated(path, Instant::now())] {
            let failure = removal(temp.path()).unwrap_err();
            assert_eq!(failure.to_string(), format!("look at cgroup {:?}: not a cgroup", temp.path()));
        }
        assert!(super::super::kill(temp.path(), KILL).is_err());
        assert!(std::path::Path::new(temp.path()).exists());
    }

    #[test]
    fn accepts_an_absent_cgroup() {
        remove("/nowhere").unwrap();
        remove_empty("/nowhere").unwrap();
        super::super::kill("/nowhere", KILL).unwrap();
    }
}
