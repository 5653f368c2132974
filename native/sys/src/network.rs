//! The loopback interface (netdevice(7)).

use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::net::{socket_with, AddressFamily, SocketFlags, SocketType};

use crate::namespaces::check;

/// Brings `lo` up in the calling thread's network namespace: a new one has it down, and programs expect 127.0.0.1.
pub fn bring_loopback_up() -> Result<(), Errno> {
    const SIOCSIFFLAGS: libc::c_ulong = 0x8914;
    #[repr(C)]
    struct InterfaceFlags {
        name: [u8; 16],
        flags: i16,
        padding: [u8; 22],
    }
    let mut request = InterfaceFlags { name: [0; 16], flags: libc::IFF_UP as i16, padding: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: the request has the layout and size of struct ifreq and lives through the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCSIFFLAGS as _, &raw const request) }.into()).map(drop)
}
