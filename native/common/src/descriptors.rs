//! Descriptors passed over Unix sockets (SCM_RIGHTS, unix(7)).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{retry_on_intr, Errno};
use rustix::net::{recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// The kernel's SCM_MAX_FD.
const MAX_DESCRIPTORS: usize = 253;

/// Sends all of `bytes`; the descriptors go with the first byte.
///
/// # Errors
/// The errno of sendmsg(2); `EINVAL` for more than `MAX_DESCRIPTORS`.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::INVAL); // the kernel's errno for too many
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL))?;
        rest = &rest[sent..];
        control.clear();
    }
    Ok(())
}

/// Fills `bytes`, unless the peer closes the socket before. Returns the number of bytes, and the descriptors that came with them.
///
/// # Errors
/// The errno of recvmsg(2); `EMFILE` if RLIMIT_NOFILE leaves no room for all the descriptors.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> rustix::io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(bytes)], &mut control, flags))?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    // The kernel drops descriptors beyond RLIMIT_NOFILE.
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Errno::MFILE);
    }
    Ok((received.bytes, fds))
}

/// The text beside a descriptor; runc's receivers expect a name.
pub const NAME: &[u8] = b"/dev/ptmx";

/// Sends one descriptor, with `NAME`.
pub fn send_descriptor(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    send(socket, NAME, &[fd])
}
