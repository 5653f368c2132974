//! The start gate from outside: a socket named `gate` in the container's state directory, on which the init listens
//! until it executes the user's program. The descriptor closes with the exec, so a refused connection means: it runs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{bind, connect, listen, socket_with, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tsrunc_common::protocol::{Channel, FromInit, ToInit};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::conversation::receive_descriptor;
use crate::interrupts::{wait_for, Interrupt};
use crate::store::Lock;

const NAME: &str = "gate";

/// An address below a directory descriptor: a path of the state root may exceed the 108 bytes of sun_path (unix(7)).
fn address(directory: BorrowedFd<'_>) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()))
}

fn stream() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Binds the gate of a container that is being created. The directory has mode 0700: only its owner connects.
pub fn make(lock: &Lock) -> Result<OwnedFd, Failure> {
    let during = || "make the start gate".to_owned();
    let socket = stream().during(during)?;
    bind(&socket, &address(lock.dir_fd()).during(during)?).during(during)?;
    listen(&socket, 8).during(during)?;
    Ok(socket)
}

fn knock(lock: &Lock) -> Result<Option<OwnedFd>, Failure> {
    let during = || "connect to the start gate".to_owned();
    let socket = stream().during(during)?;
    match connect(&socket, &address(lock.dir_fd()).during(during)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).during(during),
    }
}

/// Whether the init waits at its gate. Does not wait for it: a stopped one takes no connection, yet it is there.
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
/// `NotWaiting` if nobody waits; `Interrupted`, and the init goes on; the init's own failure (startContainer hooks, exec) otherwise.
pub fn start(lock: &Lock, interrupt: Interrupt<'_>) -> Result<Option<OwnedFd>, Failure> {
    let Some(socket) = knock(lock)? else {
        return Err(Failure::new(FailureCode::NotWaiting, "connect to the start gate", "nobody waits at it"));
    };
    let channel = Channel::new(socket);
    channel.send(&ToInit::Start)?;
    await_exec(&channel, interrupt)
}

/// Waits for the end of the conversation: the exec closes the init's end. Without the word that it comes now, the init was killed.
///
/// Returns the notify socket that the init kept for the starter.
pub fn await_exec(channel: &Channel, interrupt: Interrupt<'_>) -> Result<Option<OwnedFd>, Failure> {
    let mut announced = false;
    let mut notify = None;
    loop {
        wait_for(channel, interrupt, "the exec")?;
        match channel.receive()? {
            None if announced => return Ok(notify),
            None => return Err(Failure::new(FailureCode::Finished, "wait for the exec", "the container's init was killed before it")),
            Some(FromInit::Notify) => notify = Some(receive_descriptor(channel, "the notify socket")?),
            Some(FromInit::Executing) => announced = true,
            Some(FromInit::Failed(failure)) => return Err(failure),
            Some(_) => return Err(Failure::new(FailureCode::Other, "wait for the exec", "the init answered out of turn")),
        }
    }
}

/// Connects to a socket that the user named (`--console-socket`, `--pidfd-socket`).
pub fn connect_to(path: &str, what: &str) -> Result<OwnedFd, Failure> {
    let during = || format!("connect to {what} {path:?}");
    let socket = stream().during(during)?;
    // Over a descriptor: such paths often exceed sun_path as well.
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).during(during)?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())).during(during)?;
    connect(&socket, &address).during(during)?;
    Ok(socket)
}
