//! The start gate, seen from outside the container: a socket named `gate` in the state directory, on which the init listens until it executes
//! the user's program. The exec closes the descriptor, so a refused connection means that the program runs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{bind, connect, listen, socket_with, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tsrunc_common::protocol::{Channel, FromInit, ToInit};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::interrupts::{wait_for, Interrupt};
use crate::store::Lock;

const NAME: &str = "gate";

/// The socket's address by way of a directory descriptor, because its path may exceed the 108 bytes of sun_path (unix(7)).
fn address(directory: BorrowedFd<'_>) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()))
}

fn stream() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Binds the gate of a container that is being created. The directory has mode 0700, so only its owner can connect.
pub fn make(lock: &Lock) -> Result<OwnedFd, Failure> {
    let during = || "make the start gate".to_owned();
    let socket = stream().during(during)?;
    bind(&socket, &address(lock.dir_fd()).during(during)?).during(during)?;
    listen(&socket, 8).during(during)?;
    Ok(socket)
}

/// Connects to the gate. None if nobody listens.
fn connect_to_gate(lock: &Lock) -> Result<Option<OwnedFd>, Failure> {
    let during = || "connect to the start gate".to_owned();
    let socket = stream().during(during)?;
    match connect(&socket, &address(lock.dir_fd()).during(during)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).during(during),
    }
}

/// Whether the init listens at its gate. Non-blocking, because a stopped init accepts no connection.
pub fn at_gate(lock: &Lock) -> Result<bool, Failure> {
    let during = || "connect to the start gate".to_owned();
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None).during(during)?;
    match connect(&socket, &address(lock.dir_fd()).during(during)?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno).during(during),
    }
}

/// Opens the gate and waits until the user's program runs. Returns the container's notify socket, if it has one.
///
/// # Errors
/// `NotWaiting` if nobody listens; `Interrupted`, while the init continues; the failure that the init reports (a startContainer hook, the exec).
pub fn start(lock: &Lock, interrupt: Interrupt<'_>) -> Result<Option<OwnedFd>, Failure> {
    let Some(socket) = connect_to_gate(lock)? else {
        return Err(Failure::new(FailureCode::NotWaiting, "connect to the start gate", "nobody waits at it"));
    };
    let channel = Channel::new(socket);
    channel.send(&ToInit::Start)?;
    await_exec(&channel, interrupt)
}

/// Waits for EOF, as the exec closes the init's end of the socket. If the init has not announced the exec before, it was killed.
///
/// Returns the container's notify socket, if the init has kept one for us.
pub fn await_exec(channel: &Channel, interrupt: Interrupt<'_>) -> Result<Option<OwnedFd>, Failure> {
    let mut announced = false;
    let mut notify = None;
    loop {
        wait_for(channel, interrupt, "the exec")?;
        match channel.receive()? {
            None if announced => return Ok(notify),
            None => return Err(Failure::new(FailureCode::Finished, "wait for the exec", "the container's init was killed before it")),
            Some(FromInit::Notify) => notify = Some(channel.receive_descriptor("the notify socket")?),
            Some(FromInit::Executing) => announced = true,
            Some(FromInit::Failed(failure)) => return Err(failure),
            Some(_) => return Err(Failure::new(FailureCode::Other, "wait for the exec", "the init answered out of turn")),
        }
    }
}

/// Connects to a socket that the caller named (`--console-socket`, `--pidfd-socket`).
pub fn connect_to(path: &str, operation: &str) -> Result<OwnedFd, Failure> {
    let during = || format!("{operation} {path:?}");
    let socket = stream().during(during)?;
    // By descriptor, because these paths often exceed sun_path too.
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).during(during)?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())).during(during)?;
    connect(&socket, &address).during(during)?;
    Ok(socket)
}
