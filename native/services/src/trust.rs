//! Checks who may have written a file. The files in a state root decide which programs run with our privilege and what is killed and unmounted, so
//! they are used only if nobody but the caller and root could have written them.

use std::os::fd::AsFd;

use rustix::fs::Stat;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// Write permission of group and others. With an access control list the group bits are its mask (acl(5)), so this also covers users that a list
/// lets write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why somebody other than the caller and root could have written a file, or an entry of a directory. None if nobody could.
pub fn distrust(stat: &Stat) -> Option<String> {
    // Root's own files need no system call.
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Some(format!("it belongs to user {}, who is neither the caller nor root", stat.st_uid));
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Some(format!("others may write to it (mode {:04o})", stat.st_mode & 0o7777));
    }
    None
}

/// Refuses an open file that `distrust` gives a reason against. Takes a descriptor, so that the checked file is the one that is used.
///
/// # Errors
/// The reason, with the path of the file.
pub fn require_trusted(file: impl AsFd, path: impl Fn() -> String) -> Result<(), Failure> {
    let during = || format!("trust {:?}", path());
    let stat = rustix::fs::fstat(file).during(during)?;
    distrust(&stat).map_or(Ok(()), |reason| Err(Failure::new(FailureCode::Other, during(), reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use rustix::fs::{chmod, Mode};

    #[test]
    fn distrusts_files_that_others_own_or_may_write() {
        let temp = TempDir::new();
        let with_mode = |mode: u32| {
            chmod(temp.path(), Mode::from_raw_mode(mode)).unwrap();
            distrust(&rustix::fs::stat(temp.path()).unwrap())
        };
        for mode in [0o700, 0o755, 0o1711, 0o2755] {
            assert_eq!(with_mode(mode), None, "{mode:o}");
        }
        for mode in [0o720, 0o702, 0o1777, 0o2775] {
            assert_eq!(with_mode(mode), Some(format!("others may write to it (mode {mode:04o})")));
        }
        chmod(temp.path(), Mode::RWXU).unwrap();
        let mut stat = rustix::fs::stat(temp.path()).unwrap();
        stat.st_uid = 4242;
        assert_eq!(distrust(&stat).unwrap(), "it belongs to user 4242, who is neither the caller nor root");
    }

    #[test]
    fn names_the_path() {
        let temp = TempDir::new();
        chmod(temp.path(), Mode::from_raw_mode(0o777)).unwrap();
        let directory = std::fs::File::open(temp.path()).unwrap();
        let failure = require_trusted(&directory, || temp.path().to_owned()).unwrap_err();
        assert_eq!(failure.to_string(), format!("trust {:?}: others may write to it (mode 0777)", temp.path()));
    }
}
