//! Copies a directory into a new file system that will cover it (config.md#mounts, `tmpcopyup`): files, directories, symbolic links, nodes, sockets and
//! FIFOs with owner, mode, times and extended attributes. Every entry is opened without following symbolic links and then used only by its descriptor, so
//! that concurrent changes to the directory cannot redirect the copy. The size of the new file system limits how much is copied.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    chmodat, chownat, fstat, getxattr, listxattr, lsetxattr, mkdirat, mknodat, open, openat, readlinkat, seek, sendfile, symlinkat, utimensat, AtFlags, Dir,
    FileType, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// Each level keeps two descriptors open; the usual limit is 1024.
const MAX_DEPTH: usize = 200;

/// XATTR_LIST_MAX and XATTR_SIZE_MAX (linux/limits.h).
const MAX_ATTRIBUTE_BYTES: usize = 65536;

/// Copies the contents of the directory `from`, and its own times and attributes, to the empty directory `to`; its owner too if `owner`. The caller
/// sets the mode.
///
/// # Errors
/// The first file that cannot be read or created (`ENOSPC`: the new file system is too small), or directories nested more than 200 deep.
pub fn copy_up(from: BorrowedFd<'_>, to: BorrowedFd<'_>, owner: bool) -> Result<(), Failure> {
    let stat = fstat(from).during(|| "copy".into())?;
    let mut copy = Copy { path: Vec::new(), buffer: vec![0; MAX_ATTRIBUTE_BYTES] };
    if owner {
        chown(to, c".", &stat).during(|| "set the owner".into())?;
    }
    copy.directory(from, to)?;
    copy.attributes(from, to, c".").and_then(|()| set_times(to, c".", &stat)).during(|| "copy attributes and times".into())
}

struct Copy {
    /// Path of the current entry, for errors and to limit the depth.
    path: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Copy {
    fn during(&self) -> String {
        let names: Vec<_> = self.path.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let path = if names.is_empty() { ".".to_owned() } else { names.join("/") };
        format!("copy {path:?}")
    }

    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Failure> {
        if self.path.len() >= MAX_DEPTH {
            return Err(Failure::new(FailureCode::TooLarge, self.during(), format!("more than {MAX_DEPTH} directories in one another")));
        }
        let entries = reopen(from, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new).during(|| self.during())?;
        for entry in entries {
            let entry = entry.during(|| self.during())?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.path.push(name.to_bytes().to_vec());
            self.entry(from, to, name)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(&mut self, from_directory: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<(), Failure> {
        let opened = openat(from_directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let from = match opened {
            Err(Errno::NOENT) => return Ok(()), // removed meanwhile
            result => result.during(|| self.during())?,
        };
        let stat = fstat(&from).during(|| self.during())?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU).during(|| self.during())?;
                let made = openat(to, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).during(|| self.during())?;
                self.directory(from.as_fd(), made.as_fd())?;
            }
            FileType::RegularFile => copy_file(&from, to, name, stat.st_size as u64).during(|| self.during())?,
            FileType::Symlink => {
                let target = readlinkat(&from, c"", Vec::new()).during(|| self.during())?;
                symlinkat(target, to, name).during(|| self.during())?;
            }
            _ => mknodat(to, name, kind, Mode::RUSR, stat.st_rdev).during(|| self.during())?,
        }
        // The order matters: chown clears set-id bits and file capabilities, and every change updates the times.
        chown(to, name, &stat)
            .and_then(|()| match kind {
                FileType::Symlink => Ok(()), // a symbolic link has no mode
                _ => chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty()),
            })
            .and_then(|()| self.attributes(from.as_fd(), to, name))
            .and_then(|()| set_times(to, name, &stat))
            .during(|| self.during())
    }

    /// Copies extended attributes, by /proc/self/fd: the f*xattr calls do not take O_PATH descriptors.
    fn attributes(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        let source = magic_link(from);
        let length = match listxattr(&source, &mut self.buffer) {
            Err(Errno::OPNOTSUPP) => return Ok(()),
            result => result?,
        };
        if length == 0 {
            return Ok(());
        }
        let names = self.buffer[..length].to_vec();
        let target = [magic_link(to).as_bytes(), b"/", name.to_bytes()].concat();
        for attribute in names.split(|byte| *byte == 0).filter(|attribute| !attribute.is_empty()) {
            // The policy or mountLabel decides the label of new files.
            if attribute == b"security.selinux" {
                continue;
            }
            let size = getxattr(&source, attribute, &mut self.buffer)?;
            match lsetxattr(target.as_slice(), attribute, &self.buffer[..size], XattrFlags::empty()) {
                // The new file system does not support the attribute (tmpfs has user.* since Linux 6.6).
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// The path of a descriptor, for calls that take only paths.
pub fn magic_link(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Opens the file of an O_PATH descriptor again, with other flags.
fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(magic_link(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

fn chown(directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    chownat(directory, name, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)), AtFlags::SYMLINK_NOFOLLOW)
}

fn set_times(directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
    };
    utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Copies the first `size` bytes and keeps holes.
fn copy_file(from: &OwnedFd, to: BorrowedFd<'_>, name: &CStr, size: u64) -> Result<(), Errno> {
    let from = reopen(from.as_fd(), OFlags::RDONLY)?;
    let to = openat(to, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
    let mut at = 0;
    while at < size {
        at = match seek(&from, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break, // only a hole is left
            result => result?,
        };
        let end = seek(&from, SeekFrom::Hole(at))?.min(size);
        seek(&to, SeekFrom::Start(at))?;
        while at < end {
            let left = (end - at) as usize;
            if sendfile(&to, &from, Some(&mut at), left)? == 0 {
                return Ok(()); // truncated meanwhile
            }
        }
    }
    rustix::fs::ftruncate(&to, size)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    use rustix::fs::CWD;

    use super::*;

    struct Folders(PathBuf);

    impl Folders {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tsrunc-copy-up-{}-{name}", std::process::id()));
            std::fs::create_dir_all(path.join("from")).unwrap();
            std::fs::create_dir_all(path.join("to")).unwrap();
            Folders(path)
        }

        fn from(&self, name: &str) -> PathBuf {
            self.0.join("from").join(name)
        }

        fn copy(&self) -> Result<PathBuf, Failure> {
            let open = |path: &Path| open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            copy_up(open(&self.0.join("from")).as_fd(), open(&self.0.join("to")).as_fd(), true).map(|()| self.0.join("to"))
        }
    }

    impl Drop for Folders {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn copies_files_links_and_directories_with_mode_and_times() {
        let folders = Folders::new("tree");
        std::fs::create_dir(folders.from("d")).unwrap();
        std::fs::write(folders.from("d/f"), "content").unwrap();
        std::fs::set_permissions(folders.from("d/f"), std::fs::Permissions::from_mode(0o4751)).unwrap();
        std::fs::set_permissions(folders.from("d"), std::fs::Permissions::from_mode(0o1705)).unwrap();
        symlink("/etc/passwd", folders.from("link")).unwrap();
        mknodat(CWD, folders.from("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        utimensat(
            CWD,
            folders.from("d"),
            &Timestamps { last_access: Timespec { tv_sec: 5, tv_nsec: 0 }, last_modification: Timespec { tv_sec: 7, tv_nsec: 9 } },
            AtFlags::empty(),
        )
        .unwrap();
        let to = folders.copy().unwrap();
        assert_eq!(std::fs::read_to_string(to.join("d/f")).unwrap(), "content");
        assert_eq!(std::fs::metadata(to.join("d/f")).unwrap().mode() & 0o7777, 0o4751);
        let directory = std::fs::metadata(to.join("d")).unwrap();
        assert_eq!((directory.mode() & 0o7777, directory.mtime(), directory.mtime_nsec()), (0o1705, 7, 9));
        assert_eq!(std::fs::read_link(to.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(FileType::from_raw_mode(std::fs::metadata(to.join("fifo")).unwrap().mode()), FileType::Fifo);
    }

    #[test]
    fn keeps_holes() {
        let folders = Folders::new("holes");
        let file = std::fs::File::create(folders.from("f")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 1 << 30).unwrap();
        file.set_len(2 << 30).unwrap();
        let copy = std::fs::metadata(folders.copy().unwrap().join("f")).unwrap();
        assert_eq!(copy.len(), 2 << 30);
        assert!(copy.blocks() * 512 < 1 << 20, "{}", copy.blocks());
    }

    #[test]
    fn refuses_a_tree_that_is_too_deep() {
        let folders = Folders::new("deep");
        let deep: PathBuf = std::iter::repeat_n("d", MAX_DEPTH + 1).collect();
        std::fs::create_dir_all(folders.0.join("from").join(deep)).unwrap();
        let failure = folders.copy().unwrap_err();
        assert_eq!(failure.cause, "more than 200 directories in one another");
    }
}
