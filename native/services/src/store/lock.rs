//! Locks the directory of an existing container.

use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::{retry_on_intr, Errno};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::Lock;
use crate::drafts::{is_entry, remove_leftovers};
use crate::lock_holder;
use crate::state_root::{self, check_id, open_container};
use crate::trust::require_trusted;

const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Which directory to lock, and how.
#[derive(Clone, Copy)]
pub struct LockRequest<'a> {
    pub root: &'a str,
    pub id: &'a str,
    /// How long to wait for the lock. None: forever.
    pub timeout: Option<Duration>,
    /// This process may be ended for the container (take_over.rs).
    pub interruptible: bool,
}

/// Locks the directory of a container.
///
/// # Errors
/// `NotFound`; `Locked` if another process holds the lock for longer than the timeout.
pub fn lock(request: &LockRequest<'_>) -> Result<Lock, Failure> {
    let LockRequest { root, id, timeout, interruptible } = *request;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let during = || format!("lock state directory \"{root}/{id}\"");
    check_id(id)?;
    let root_fd = state_root::open(root)?;
    let operation = if timeout.is_none() { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    let mut pause = SHORTEST_PAUSE;
    loop {
        let dir = match open_container(&root_fd, id) {
            Err(Errno::NOENT) => {
                remove_leftovers(&root_fd, id).during(during)?;
                return Err(Errno::NOENT).during(during);
            }
            result => result.during(during)?,
        };
        require_trusted(&dir, || format!("{root}/{id}"))?;
        match retry_on_intr(|| rustix::fs::flock(&dir, operation)) {
            Err(Errno::AGAIN) => {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(Failure::new(FailureCode::Locked, during(), "another process holds the lock"));
                }
                // Polls, because flock(2) has no timeout. Opens the directory again each time: the holder may have removed it.
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            result => result.during(during)?,
        }
        // Before we got the lock the directory may have been removed, and even replaced by a new one.
        if is_entry(&root_fd, id, &dir).during(during)? {
            if interruptible {
                lock_holder::declare(&dir).during(during)?;
            }
            return Ok(Lock { dir, root: root_fd, root_path: root.to_owned(), id: id.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::fs::Mode;

    use super::super::remove;
    use super::super::testing::{code, lock_in, reserve_in};
    use super::*;
    use crate::drafts::DIRECTORY;
    use crate::testing::TempDir;

    #[test]
    fn locks_exclusively_until_dropped() {
        let temp = TempDir::new();
        let first = reserve_in(&temp, "c").unwrap();
        assert_eq!(code(lock_in(&temp, "c", false)), FailureCode::Locked);
        drop(first);
        lock_in(&temp, "c", true).unwrap();
    }

    /// Waits until somebody waits for the lock on a directory, which /proc/locks shows by an arrow (proc_locks(5)).
    fn until_somebody_waits(directory: impl AsFd) {
        let inode = format!(":{} ", rustix::fs::fstat(directory).unwrap().st_ino);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode)) {
            assert!(Instant::now() < deadline, "nobody waits");
            std::thread::sleep(SHORTEST_PAUSE);
        }
    }

    #[test]
    fn waiting_for_a_container_that_is_removed_ends_in_not_found() {
        let temp = TempDir::new();
        let first = reserve_in(&temp, "c").unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock_in(&temp, "c", true));
            until_somebody_waits(first.dir_fd());
            remove(&first).unwrap();
            drop(first);
            assert_eq!(code(waiter.join().unwrap()), FailureCode::NotFound);
        });
    }

    #[test]
    fn waiting_for_a_container_that_is_created_again_locks_the_new_one() {
        let temp = TempDir::new();
        let first = reserve_in(&temp, "c").unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock_in(&temp, "c", true));
            until_somebody_waits(first.dir_fd());
            remove(&first).unwrap();
            let second = reserve_in(&temp, "c").unwrap();
            let inode = rustix::fs::fstat(second.dir_fd()).unwrap().st_ino;
            drop(first);
            drop(second);
            let found = waiter.join().unwrap().unwrap();
            assert_eq!(rustix::fs::fstat(found.dir_fd()).unwrap().st_ino, inode);
        });
    }

    #[test]
    fn reports_a_missing_container_and_refuses_links_and_paths() {
        let temp = TempDir::new();
        assert_eq!(code(lock_in(&temp, "c", true)), FailureCode::NotFound);
        assert_eq!(code(lock(&LockRequest { root: &format!("{}/none", temp.path()), id: "c", timeout: None, interruptible: false })), FailureCode::NotFound);
        std::os::unix::fs::symlink("/tmp", format!("{}/link", temp.path())).unwrap();
        assert!(lock_in(&temp, "link", true).is_err());
        for id in ["", ".", "..", "a/b", "#c.00000000", "a\0"] {
            assert_eq!(code(lock_in(&temp, id, true)), FailureCode::BadRequest, "{id:?}");
            assert_eq!(code(reserve_in(&temp, id)), FailureCode::BadRequest, "{id:?}");
        }
    }

    #[test]
    fn removes_drafts_of_a_missing_container_unless_they_are_locked() {
        let temp = TempDir::new();
        let (stale, alive) = (format!("{}/#c.00000001", temp.path()), format!("{}/#c.00000002", temp.path()));
        std::fs::create_dir(&stale).unwrap();
        std::fs::create_dir(&alive).unwrap();
        let maker = rustix::fs::open(alive.as_str(), DIRECTORY, Mode::empty()).unwrap();
        rustix::fs::flock(&maker, FlockOperation::LockExclusive).unwrap();
        assert_eq!(code(lock_in(&temp, "c", true)), FailureCode::NotFound);
        assert!(!std::path::Path::new(&stale).exists());
        assert!(std::path::Path::new(&alive).exists());
    }
}
