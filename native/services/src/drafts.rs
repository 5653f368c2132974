//! Drafts: state directories that are being made or removed. Their names begin with `#`, which no container ID does. The process that makes or
//! removes one holds its lock; a draft that is not locked was left behind by a process that was killed.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The flags to open a state directory.
pub const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Where the root file system of a container is mounted while CRIU restores it (criu/rootfs.rs).
pub const RESTORE_ROOT: &CStr = c"criu-root";

/// A name for a new draft: `#id.` and 8 hexadecimal digits.
pub fn draft_name(id: &str) -> String {
    let mut bytes = [0u8; 4];
    // The clock is good enough as a fallback: if the name is taken, the caller tries again.
    let number = match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(4) => u32::from_ne_bytes(bytes),
        _ => rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_nsec as u32,
    };
    format!("#{id}.{number:08x}")
}

fn is_draft_of(name: &str, id: &str) -> bool {
    let number = name.strip_prefix('#').and_then(|rest| rest.strip_prefix(id)).and_then(|rest| rest.strip_prefix('.'));
    number.is_some_and(|number| number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether `name` in `root` is still the open directory `dir`.
pub fn is_entry(root: &OwnedFd, name: &str, dir: &OwnedFd) -> Result<bool, Errno> {
    let ours = rustix::fs::fstat(dir)?;
    match rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok((found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes a state directory with its files.
///
/// # Errors
/// `EISDIR` if there is a directory in it, which we never make, except the mount point of a restore; `EBUSY` if something is mounted on that.
pub fn remove_directory(root: &OwnedFd, dir: &OwnedFd, name: &str) -> Result<(), Errno> {
    for entry in names(dir)? {
        let flags = if *entry == *RESTORE_ROOT { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(dir, &*entry, flags)?;
    }
    rustix::fs::unlinkat(root, name, AtFlags::REMOVEDIR)
}

/// The names in a directory.
pub fn names(dir: impl AsFd) -> Result<Vec<std::ffi::CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !is_dot(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn is_dot(name: &CStr) -> bool {
    name == c"." || name == c".."
}

/// Removes the drafts of an id that no process has locked.
pub fn remove_leftovers(root: &OwnedFd, id: &str) -> Result<(), Errno> {
    for name in names(root)? {
        let Some(name) = name.to_str().ok().filter(|name| is_draft_of(name, id)) else { continue };
        match remove_leftover(root, name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn remove_leftover(root: &OwnedFd, name: &str) -> Result<(), Errno> {
    let dir = rustix::fs::openat(root, name, DIRECTORY, Mode::empty())?;
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => return Ok(()), // in use by a live process
        result => result?,
    }
    // It may have been renamed to its container's id between our open and our lock.
    if is_entry(root, name, &dir)? {
        remove_directory(root, &dir, name)?;
    }
    Ok(())
}
