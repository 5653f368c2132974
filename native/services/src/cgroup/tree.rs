//! Walks a cgroup tree by descriptors, of which at most three are open at a time: a container may nest cgroups deeper than a path
//! is long (PATH_MAX), and deeper than a process may have files open.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{openat, Dir, FileType, Mode, OFlags, CWD};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

/// One cgroup of a tree.
pub struct Visited<'a> {
    pub directory: BorrowedFd<'a>,
    /// The one above and the name in it; None for the top of the tree.
    pub place: Option<(BorrowedFd<'a>, &'a CStr)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Calls `visit` with each cgroup of a tree, those below before those above. What is gone meanwhile is passed over.
///
/// # Errors
/// The first of `visit`; a directory that cannot be opened or read.
pub fn walk(path: &Path, visit: &mut dyn FnMut(&Visited<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let during = || format!("list cgroup {path:?}");
    let mut directory = match openat(CWD, path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        result => result.during(during)?,
    };
    // For each level the names that are still to be visited; the last one of the level above is where we are.
    let mut levels = vec![children(&directory).during(during)?];
    loop {
        let Some(name) = levels.last().and_then(|names| names.last()) else {
            // Nothing is left below: this one's turn.
            levels.pop();
            let Some(names) = levels.last_mut() else {
                return visit(&Visited { directory: directory.as_fd(), place: None });
            };
            let name = names.pop().unwrap_or_default();
            let above = match openat(&directory, c"..", DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT | Errno::NODEV) => return Ok(()), // removed under our feet
                result => result.during(during)?,
            };
            visit(&Visited { directory: directory.as_fd(), place: Some((above.as_fd(), &name)) })?;
            directory = above;
            continue;
        };
        match openat(&directory, name.as_c_str(), DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT | Errno::NODEV) => {
                levels.last_mut().and_then(Vec::pop);
            }
            result => {
                directory = result.during(during)?;
                levels.push(children(&directory).during(during)?);
            }
        }
    }
}

/// Names of the cgroups in one, whatever they are (a container may have made them).
fn children(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = match entry {
            Err(Errno::NOENT | Errno::NODEV) => break,
            entry => entry?,
        };
        if entry.file_type() == FileType::Directory && entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Text of a cgroup's file; None when the cgroup or the file is not there (any more).
pub fn read_at(directory: BorrowedFd<'_>, file: &str) -> Result<Option<String>, Failure> {
    let during = || format!("read {file:?} of a cgroup");
    match openat(directory, file, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => Ok(None),
        result => match std::io::read_to_string(std::fs::File::from(result.during(during)?)) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(None),
            text => text.map(Some).during(during),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn names(top: &str) -> Vec<String> {
        let mut seen = Vec::new();
        walk(Path::new(top), &mut |visited| {
            seen.push(visited.place.map_or("top".into(), |(_, name)| name.to_string_lossy().into_owned()));
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn visits_what_is_below_first() {
        let temp = TempDir::new();
        for path in ["a/b/c", "a/d", "e"] {
            std::fs::create_dir_all(format!("{}/{path}", temp.path())).unwrap();
        }
        std::fs::write(format!("{}/a/file", temp.path()), "").unwrap();
        let seen = names(temp.path());
        let at = |name: &str| seen.iter().position(|seen| seen == name).unwrap();
        assert_eq!(seen.len(), 6);
        assert!(at("c") < at("b") && at("b") < at("a") && at("d") < at("a") && at("top") == 5);
        assert_eq!(names("/no/such/cgroup"), Vec::<String>::new());
    }

    #[test]
    fn removes_a_tree_deeper_than_a_path_or_the_descriptors_of_a_process() {
        let temp = TempDir::new();
        let top = format!("{}/top", temp.path());
        std::fs::create_dir(&top).unwrap();
        let mut at = openat(CWD, &top, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..2000 {
            rustix::fs::mkdirat(&at, "deeper", Mode::RWXU).unwrap();
            at = openat(&at, "deeper", DIRECTORY, Mode::empty()).unwrap();
        }
        let mut count = 0;
        walk(Path::new(&top), &mut |visited| {
            count += 1;
            match visited.place {
                Some((above, name)) => rustix::fs::unlinkat(above, name, rustix::fs::AtFlags::REMOVEDIR).during(String::new),
                None => Ok(()),
            }
        })
        .unwrap();
        assert_eq!(count, 2001);
        assert_eq!(std::fs::read_dir(&top).unwrap().count(), 0);
    }
}
