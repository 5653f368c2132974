//! Walks a cgroup tree by descriptors, with at most three open at a time: a container may nest cgroups deeper than PATH_MAX allows, and deeper
//! than the limit of open files.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{openat, Dir, FileType, Mode, OFlags, CWD};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

/// A cgroup during a walk.
pub struct Visited<'a> {
    pub directory: BorrowedFd<'a>,
    /// The parent and the name in it, None for the top of the tree.
    pub place: Option<(BorrowedFd<'a>, &'a CStr)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Calls `visit` with each cgroup of a tree, children before their parent. Cgroups that are removed meanwhile are skipped.
///
/// # Errors
/// The first error of `visit`; a directory that cannot be opened or read.
pub fn walk(path: &Path, visit: &mut dyn FnMut(&Visited<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let during = || format!("list cgroup {path:?}");
    let mut directory = match openat(CWD, path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        result => result.during(during)?,
    };
    // For each level the names still to be visited. The last name of a level is the one whose children the next level lists.
    let mut levels = vec![children(&directory).during(during)?];
    loop {
        let Some(name) = levels.last().and_then(|names| names.last()) else {
            // All children are done: visit this one.
            levels.pop();
            let Some(names) = levels.last_mut() else {
                return visit(&Visited { directory: directory.as_fd(), place: None });
            };
            let name = names.pop().unwrap_or_default();
            let above = match openat(&directory, c"..", DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT | Errno::NODEV) => return Ok(()), // the tree was removed meanwhile
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

/// Names of the child cgroups. They may be any bytes, because a container may have made them.
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

/// Text of a cgroup file. None if the file or the cgroup does not exist.
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
    fn visits_children_before_their_parent() {
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
    fn walks_a_tree_deeper_than_path_max_and_the_limit_of_open_files() {
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
