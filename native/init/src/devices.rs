//! The container's device nodes, symbolic links in /dev and terminal.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{open_tree, OpenTreeFlags};
use rustix::termios::Winsize;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{DeviceKind, MountAttribute, MountAttributes};
use tsrunc_sys::errno::During;

use crate::attach::attach;
use crate::attributes::set_attributes;
use crate::mounts::in_config;
use crate::root::Root;
use tsrunc_common::clones::clone_mount;

const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// A device of config.json or one of the defaults.
pub struct Device<'a> {
    pub path: &'a str,
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// JSON pointer; empty for a default device.
    pub pointer: &'a str,
}

impl Device<'_> {
    /// The operation, for errors.
    fn operation(&self, verb: &str) -> String {
        format!("{verb} device {:?}{}", self.path, in_config(self.pointer))
    }
}

/// Makes the node with mknod(2) and verifies it.
///
/// An existing node of the same device is used. If mknod(2) is denied, by the container's device cgroup or for lack of CAP_MKNOD, the host's node is
/// bound instead; the device cgroup still decides whether it can be opened.
pub fn make_node(root: &mut Root, device: &Device<'_>) -> Result<(), Failure> {
    let during = || device.operation("make");
    let kind = match device.kind {
        DeviceKind::Char => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    };
    let number = rustix::fs::makedev(device.major, device.minor);
    let place = root.place(device.path)?;
    match rustix::fs::mknodat(place.parent.as_fd(), place.name.as_str(), kind, Mode::from_raw_mode(device.mode), number) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(Errno::PERM) => {
            return match on_host(device, kind, number) {
                Some(source) => bind(root, device, &source),
                None => Err(Errno::PERM).during(during),
            }
        }
        Err(errno) => return Err(errno).during(during),
    }
    let node =
        rustix::fs::openat(place.parent.as_fd(), place.name.as_str(), OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let stat = rustix::fs::fstat(&node).during(during)?;
    let same_number = kind == FileType::Fifo || stat.st_rdev == number;
    if FileType::from_raw_mode(stat.st_mode) != kind || !same_number {
        return Err(Failure::new(FailureCode::Other, during(), "another file is there"));
    }
    if (stat.st_uid, stat.st_gid) != (device.uid, device.gid) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(device.uid), rustix::fs::Gid::from_raw(device.gid));
        rustix::fs::chownat(&node, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).during(during)?;
    }
    Ok(())
}

/// The host's node of a device: at the same path, or where sysfs says (`DEVNAME`). Works because the old root is still mounted.
fn on_host(device: &Device<'_>, kind: FileType, number: u64) -> Option<OwnedFd> {
    let directory = match kind {
        FileType::CharacterDevice => "char",
        FileType::BlockDevice => "block",
        _ => return None,
    };
    let open = |path: &str| {
        let node = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&node).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == kind && stat.st_rdev == number).then_some(node)
    };
    open(device.path).or_else(|| {
        let event = std::fs::read_to_string(format!("/sys/dev/{directory}/{}:{}/uevent", device.major, device.minor)).ok()?;
        let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
        open(&format!("/dev/{name}"))
    })
}

/// Binds the host's node of the same path, because mknod(2) is not allowed in a user namespace.
pub fn bind_node(root: &mut Root, device: &Device<'_>) -> Result<(), Failure> {
    let source = rustix::fs::open(device.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(|| device.operation("bind"))?;
    bind(root, device, &source)
}

/// The destination may be a file of the image, but not a symbolic link, which would make the mount cover another file.
fn bind(root: &mut Root, device: &Device<'_>, source: &OwnedFd) -> Result<(), Failure> {
    let during = || device.operation("bind");
    let clone = clone_mount(source.as_fd(), false).during(during)?;
    let attributes = MountAttributes { set: vec![MountAttribute::Nosuid, MountAttribute::Noexec], ..MountAttributes::default() };
    set_attributes(&clone, &attributes, false)?;
    let on = root.make_file_in_place(device.path)?;
    attach(clone.as_fd(), on.as_fd()).during(during)?;
    root.keep_mount(on, clone);
    Ok(())
}

/// Makes a symbolic link in the rootfs. Replaces a link with another target; leaves any other file alone.
pub fn make_link(root: &Root, target: &str, path: &str) -> Result<(), Failure> {
    let during = || format!("make link {path:?} to {target:?}");
    let place = root.place(path)?;
    let (parent, name) = (place.parent.as_fd(), place.name.as_str());
    match rustix::fs::symlinkat(target, parent, name) {
        Err(Errno::EXIST) => {}
        result => return result.during(during),
    }
    match rustix::fs::readlinkat(parent, name, Vec::new()) {
        Ok(found) if found.as_bytes() == target.as_bytes() => return Ok(()),
        Err(Errno::INVAL) => return Ok(()), // not a symbolic link
        result => drop(result.during(during)?),
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).and_then(|()| rustix::fs::symlinkat(target, parent, name)).during(during)
}

/// A terminal in the container's devpts.
pub struct Terminal {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Opens a terminal in the container's devpts.
///
/// A running container can mount anything at /dev/pts or below, and opening a device can have side effects. So only the `ptmx` of a devpts itself is
/// opened, where nobody can create or rename files. The slave is opened through the master, not by its path (CVE-2025-52565).
pub fn open_terminal(root: &Root, size: Winsize) -> Result<Terminal, Failure> {
    let during = || "open terminal \"/dev/pts/ptmx\"".to_owned();
    let refused = |cause: &str| Failure::new(FailureCode::Other, during(), cause);
    let directory = root.open("/dev/pts", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC).during(during)?;
    if rustix::fs::fstatfs(&directory).during(during)?.f_type as u64 != DEVPTS_SUPER_MAGIC {
        return Err(refused("/dev/pts is not a devpts"));
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let multiplexer = match rustix::fs::openat2(&directory, "ptmx", flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => return Err(refused("something is mounted on it")),
        result => result.during(during)?,
    };
    if rustix::fs::fstat(&multiplexer).during(during)?.st_rdev != rustix::fs::makedev(5, 2) {
        return Err(refused("not the multiplexer of a devpts"));
    }
    rustix::pty::unlockpt(&multiplexer).during(during)?;
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY | rustix::pty::OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&multiplexer, flags).during(during)?;
    if size.ws_row != 0 || size.ws_col != 0 {
        rustix::termios::tcsetwinsize(&multiplexer, size).during(during)?;
    }
    Ok(Terminal { master: multiplexer, slave })
}

/// Mounts the terminal on /dev/console.
pub fn mount_console(root: &mut Root, terminal: &Terminal) -> Result<(), Failure> {
    let during = || "mount the terminal on \"/dev/console\"".to_owned();
    let clone =
        open_tree(&terminal.slave, "", OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH).during(during)?;
    // Not through a symbolic link of the image, which would make the terminal cover its target.
    let console = root.make_file_in_place("/dev/console")?;
    attach(clone.as_fd(), console.as_fd()).during(during)?;
    root.keep_mount(console, clone);
    Ok(())
}
