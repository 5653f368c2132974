//! Waits for a hook to exit, and kills it on a timeout or an interrupt.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{kill_process_group, pidfd_open, pidfd_send_signal, waitid, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use tsrunc_sys::signals::Caught;

use crate::wait;

/// How much of a hook's output an error quotes.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// What interrupts a hook.
#[derive(Clone, Copy)]
pub enum Interrupt<'a> {
    /// A signal asked this process to end.
    Signal(&'a Caught),
    /// The process at the other end of this socket has exited.
    PeerGone(BorrowedFd<'a>),
}

impl<'a> Interrupt<'a> {
    fn watched(&self) -> PollFd<'a> {
        match *self {
            Interrupt::Signal(caught) => PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN),
            Interrupt::PeerGone(socket) => PollFd::from_borrowed_fd(socket, PollFlags::RDHUP),
        }
    }

    /// `ready`: poll(2) reported an event.
    fn occurred(&self, ready: bool) -> bool {
        match self {
            Interrupt::Signal(caught) => caught.asked_to_end(),
            Interrupt::PeerGone(_) => ready,
        }
    }
}

pub struct End {
    pub cause: EndCause,
    pub output: Vec<u8>,
}

pub enum EndCause {
    Exit(WaitIdStatus),
    /// It was killed after its timeout.
    Timeout,
    /// It was killed because of an `Interrupt`.
    Interruption,
}

/// Reads the hook's output until the hook itself has exited. End of file may never come: processes that the hook left running keep the pipe open.
pub fn wait_for_end(pid: Pid, output: &OwnedFd, deadline: Option<Instant>, interrupt: Option<Interrupt<'_>>) -> Result<End, Errno> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let reap = || rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
    let mut text = Vec::new();
    let mut output_open = true;
    loop {
        let mut watched = vec![PollFd::new(&pidfd, PollFlags::IN)];
        watched.extend(interrupt.map(|interrupt| interrupt.watched()));
        watched.extend(output_open.then(|| PollFd::new(output, PollFlags::IN)));
        let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline); // checked before the wait, which a hook that writes without pause always ends
        wait::any(&mut watched, deadline)?;
        let is_ready = |index: usize| watched.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (ended, output_ready) = (is_ready(0), is_ready(watched.len() - 1));
        let interrupted = interrupt.is_some_and(|interrupt| interrupt.occurred(is_ready(1)));
        if output_open && (ended || output_ready) {
            output_open = read_available(output, &mut text)?;
        }
        if ended {
            // Only we reap this child, so there is a status.
            let status = reap()?.ok_or(Errno::CHILD)?;
            return Ok(End { cause: EndCause::Exit(status), output: text });
        }
        if interrupted || is_late {
            // The child is not reaped yet, so its pid and process group cannot have been reused.
            if let Err(_group_gone) = kill_process_group(pid, Signal::KILL) {}
            pidfd_send_signal(&pidfd, Signal::KILL)?; // it may have left its group
            reap()?;
            read_available(output, &mut text)?;
            return Ok(End { cause: if interrupted { EndCause::Interruption } else { EndCause::Timeout }, output: text });
        }
    }
}

/// Reads what is available, at most a pipe's capacity: the hook may write faster than this reads. Keeps up to `MAX_OUTPUT_BYTES`. Returns false at
/// end of file.
fn read_available(output: &OwnedFd, text: &mut Vec<u8>) -> Result<bool, Errno> {
    const PIPE_BYTES: usize = 64 << 10;
    let mut buffer = [0u8; 4096];
    for _ in 0..PIPE_BYTES / buffer.len() {
        match rustix::io::read(output, &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => text.extend_from_slice(&buffer[..count.min(MAX_OUTPUT_BYTES - text.len())]),
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}
