//! Namespaces by the plan's names for them (namespaces(7)), and what rustix lacks: questions about a namespace (ioctl_ns(2)) and the attributes of
//! mounts (mount_setattr(2)).

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::thread::{move_into_link_name_space, move_into_thread_name_spaces, unshare_unsafe, LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags};
use tsrunc_plan::container::Namespace;

fn kind(namespace: Namespace) -> LinkNameSpaceType {
    match namespace {
        Namespace::User => LinkNameSpaceType::User,
        Namespace::Mount => LinkNameSpaceType::Mount,
        Namespace::Pid => LinkNameSpaceType::ProcessID,
        Namespace::Network => LinkNameSpaceType::Network,
        Namespace::Ipc => LinkNameSpaceType::InterProcessCommunication,
        Namespace::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        Namespace::Cgroup => LinkNameSpaceType::ControlGroup,
        Namespace::Time => LinkNameSpaceType::Time,
    }
}

/// The `CLONE_NEW*` flag of a namespace type.
pub fn clone_flag(namespace: Namespace) -> u64 {
    u64::from(kind(namespace) as u32)
}

fn clone_flags(namespaces: &[Namespace]) -> u32 {
    namespaces.iter().fold(0, |flags, namespace| flags | kind(*namespace) as u32)
}

/// Unwraps the result of a raw system call.
pub(crate) fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(result)
}

/// Moves the calling thread into the namespace of `fd`, which must be of that type (setns(2)).
pub fn join(fd: BorrowedFd<'_>, namespace: Namespace) -> Result<(), Errno> {
    move_into_link_name_space(fd, Some(kind(namespace)))
}

/// Moves this process into namespaces of the process behind a pidfd, all in one step (setns(2), Linux 5.8). Only its later children enter a pid
/// namespace.
///
/// # Errors
/// `ESRCH` if that process has exited; `EINVAL` for a user namespace that this process is already in.
pub fn join_all_of(pidfd: BorrowedFd<'_>, namespaces: &[Namespace]) -> Result<(), Errno> {
    move_into_thread_name_spaces(pidfd, ThreadNameSpaceType::from_bits_retain(clone_flags(namespaces)))
}

/// Moves this process into new namespaces (unshare(2)).
pub fn leave(namespaces: &[Namespace]) -> Result<(), Errno> {
    // SAFETY: only CLONE_FILES is unsafe, and no namespace has that flag.
    unsafe { unshare_unsafe(UnshareFlags::from_bits_retain(clone_flags(namespaces))) }
}

/// The `CLONE_NEW*` flag of the namespace behind a descriptor (ioctl_ns(2), NS_GET_NSTYPE).
pub fn type_of(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: this request takes no argument and returns an integer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE as _) }.into()).map(|flag| flag as u64)
}

/// The user namespace that owns the namespace behind a descriptor (ioctl_ns(2), NS_GET_USERNS).
///
/// # Errors
/// `EPERM` if that is neither the caller's user namespace nor a descendant.
pub fn owner_of(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    related(fd, NS_GET_USERNS)
}

/// The parent of the user namespace behind a descriptor (ioctl_ns(2), NS_GET_PARENT).
///
/// # Errors
/// `EPERM` if that is neither the caller's user namespace nor a descendant.
pub fn parent_of(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    related(fd, NS_GET_PARENT)
}

fn related(fd: BorrowedFd<'_>, request: libc::c_ulong) -> Result<OwnedFd, Errno> {
    // SAFETY: both requests take no argument and return a new descriptor (with close-on-exec), which nobody else owns.
    unsafe { check(libc::ioctl(fd.as_raw_fd(), request as _).into()).map(|number| OwnedFd::from_raw_fd(number as i32)) }
}

/// Arguments of mount_setattr(2), as `MOUNT_ATTR_*` and `MS_*` bits.
#[derive(Clone, Copy, Default)]
pub struct MountSetattr {
    pub set: u64,
    pub clear: u64,
    pub propagation: u64,
    pub recursive: bool,
}

/// Changes the attributes of the mount whose root is `fd`.
pub fn mount_setattr(fd: impl AsFd, change: MountSetattr) -> Result<(), Errno> {
    let attr = MountAttr { attr_set: change.set, attr_clr: change.clear, propagation: change.propagation, userns_fd: 0 };
    set_mount_attr(fd.as_fd(), &attr, change.recursive)
}

/// Makes the detached mount at `fd` an idmapped mount with the mappings of a user namespace; with `recursive` the mounts below it too.
///
/// # Errors
/// `EINVAL` if the file system does not support it; `EPERM` without privilege over the file system, or if the mount is idmapped already.
pub fn map_owners(fd: impl AsFd, user_namespace: BorrowedFd<'_>, recursive: bool) -> Result<(), Errno> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let attr = MountAttr { attr_set: MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd: user_namespace.as_raw_fd() as u64 };
    set_mount_attr(fd.as_fd(), &attr, recursive)
}

/// `struct mount_attr` (mount_setattr(2)).
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

fn set_mount_attr(fd: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> Result<(), Errno> {
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string and `attr` lives through the call with its size given.
    check(unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH | recursive, attr as *const MountAttr, size_of::<MountAttr>())
    })
    .map(drop)
}
