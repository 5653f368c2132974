//! The end of a hook: by itself, or because its time is over or nobody needs it any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{kill_process_group, pidfd_open, pidfd_send_signal, waitid, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use tsrunc_sys::signals::Caught;

use crate::wait;

/// As much of a hook's output as an error shows.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// What ends a hook before its time.
#[derive(Clone, Copy)]
pub enum Interrupt<'a> {
    /// A signal that asks this process to end.
    Signal(&'a Caught),
    /// The end of the process that has the other end of this socket.
    PeerGone(BorrowedFd<'a>),
}

impl<'a> Interrupt<'a> {
    fn watched(&self) -> PollFd<'a> {
        match *self {
            Interrupt::Signal(caught) => PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN),
            Interrupt::PeerGone(socket) => PollFd::from_borrowed_fd(socket, PollFlags::RDHUP),
        }
    }

    /// `ready`: whether poll(2) found something.
    fn came(&self, ready: bool) -> bool {
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
    Own(WaitIdStatus),
    /// It was killed because its time was over.
    Timeout,
    /// It was killed because this process was asked to end, or its peer is gone.
    Interruption,
}

/// Reads the output until the hook itself has ended, not until the output has: what the hook left running may keep the pipe open for ever.
pub fn wait_for_end(pid: Pid, output: &OwnedFd, deadline: Option<Instant>, interrupt: Option<Interrupt<'_>>) -> Result<End, Errno> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let reap = || rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
    let mut text = Vec::new();
    let mut output_open = true;
    loop {
        let mut watched = vec![PollFd::new(&pidfd, PollFlags::IN)];
        watched.extend(interrupt.map(|interrupt| interrupt.watched()));
        watched.extend(output_open.then(|| PollFd::new(output, PollFlags::IN)));
        let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline); // before: one that writes on and on is always ready
        wait::any(&mut watched, deadline)?;
        let is_ready = |index: usize| watched.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (ended, output_ready) = (is_ready(0), is_ready(watched.len() - 1));
        let interrupted = interrupt.is_some_and(|interrupt| interrupt.came(is_ready(1)));
        if output_open && (ended || output_ready) {
            output_open = read_available(output, &mut text)?;
        }
        if ended {
            // A child that has ended and is not reaped has a status.
            let status = reap()?.ok_or(Errno::CHILD)?;
            return Ok(End { cause: EndCause::Own(status), output: text });
        }
        if interrupted || is_late {
            // The child is not reaped yet, so its number and its group's are still its own.
            if let Err(_group_gone) = kill_process_group(pid, Signal::KILL) {}
            pidfd_send_signal(&pidfd, Signal::KILL)?; // it may have left its group
            reap()?;
            read_available(output, &mut text)?;
            return Ok(End { cause: if interrupted { EndCause::Interruption } else { EndCause::Timeout }, output: text });
        }
    }
}

/// Takes what is there, no more than a pipe holds, as somebody may write faster than this reads. Keeps as much as an error shows. False at the end
/// of the output.
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
