//! State directories: `root/id`, one per container, locked by flock(2) on the directory itself.
//!
//! While a directory is being made or removed its name begins with `#` (drafts.rs); the rename is atomic. So nobody sees an incomplete container,
//! and of two creates with the same id exactly one succeeds.

mod directory;
mod lock;
mod state;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use directory::{remove, reserve, Reservation};
pub use lock::{lock, LockRequest};
pub use state::{commit_state, draft_state, kill_unfinished, read_state, save_state};

/// A container's directory, locked against every other process until dropped.
pub struct Lock {
    dir: OwnedFd,
    root: OwnedFd,
    root_path: String,
    id: String,
}

impl Lock {
    pub fn dir_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The state root.
    pub fn root_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The path of the directory, absolute if that of the state root is.
    pub fn path(&self) -> String {
        format!("{}/{}", self.root_path, self.id)
    }
}

/// Helpers for the tests of these modules.
#[cfg(test)]
mod testing {
    use std::time::Duration;

    use tsrunc_plan::failure::{Failure, FailureCode};

    use super::*;
    use crate::testing::{record, TempDir};

    pub fn code<T>(result: Result<T, Failure>) -> FailureCode {
        result.err().unwrap().code
    }

    pub fn reserve_in(temp: &TempDir, id: &str) -> Result<Lock, Failure> {
        reserve(&Reservation { root: temp.path(), root_mode: 0o700, record: &record(id), interruptible: false })
    }

    pub fn lock_in(temp: &TempDir, id: &str, wait: bool) -> Result<Lock, Failure> {
        lock(&LockRequest { root: temp.path(), id, timeout: if wait { None } else { Some(Duration::ZERO) }, interruptible: false })
    }
}
