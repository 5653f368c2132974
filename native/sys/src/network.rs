//! The loopback interface (netdevice(7)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{socket_with, AddressFamily, SocketFlags, SocketType};

use tsrunc_plan::container::Namespace;

use crate::namespaces::{check, join};

/// Brings up `lo` in the calling thread's network namespace. It is down in a new one, but programs expect 127.0.0.1.
pub fn bring_loopback_up() -> Result<(), Errno> {
    set_up(&open_socket()?)
}

/// Brings up `lo` in another network namespace. The calling thread joins it to open a socket there, and returns to its own, `home`.
///
/// # Errors
/// If returning fails, which takes a caller without privilege over `home`, the thread is still in the other namespace.
pub fn bring_loopback_up_in(namespace: BorrowedFd<'_>, home: BorrowedFd<'_>) -> Result<(), Errno> {
    join(namespace, Namespace::Network)?;
    let socket = open_socket();
    join(home, Namespace::Network)?;
    set_up(&socket?)
}

fn open_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

fn set_up(socket: &OwnedFd) -> Result<(), Errno> {
    const SIOCSIFFLAGS: libc::c_ulong = 0x8914;
    #[repr(C)]
    struct InterfaceFlags {
        name: [u8; 16],
        flags: i16,
        padding: [u8; 22],
    }
    let mut request = InterfaceFlags { name: [0; 16], flags: libc::IFF_UP as i16, padding: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: the request has the layout and size of struct ifreq and outlives the call.
    check(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCSIFFLAGS as _, &raw const request) }.into()).map(drop)
}
