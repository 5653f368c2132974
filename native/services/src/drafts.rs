//! Drafts: state directories that are being made or removed. Their names begin with `#`, which no id does, and a live maker or
//! remover holds their lock; the others were left by one that was killed.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// How a state directory is opened.
pub const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Where the root file system of a container is mounted while CRIU restores it (criu/rootfs.rs).
pub const RESTORE_ROOT: &CStr = c"criu-root";

/// `#id.` and 8 hexadecimal digits.
pub fn draft_name(id: &str) -> String {
    let mut bytes = [0u8; 4];
    // Without randomness the clock does: a taken name only means another attempt.
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

/// Whether the name in `root` is (still) the open directory.
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
/// `EISDIR` for a directory in it: we make only files there, but for the mount point of a restore; `EBUSY` where something is mounted on that.
pub fn remove_directory(root: &OwnedFd, dir: &OwnedFd, name: &str) -> Result<(), Errno> {
    for entry in names(dir)? {
        let flags = if *entry == *RESTORE_ROOT { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(dir, &*entry, flags)?;
    }
    rustix::fs::unlinkat(root, name, AtFlags::REMOVEDIR)
}

/// What a directory holds.
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

/// Removes the drafts of an id that nobody works on.
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
        Err(Errno::AGAIN) => return Ok(()), // whoever makes or removes it is alive
        result => result?,
    }
    // Between our open and our lock it may have become a container.
    if is_entry(root, name, &dir)? {
        remove_directory(root, &dir, name)?;
    }
    Ok(())
}
