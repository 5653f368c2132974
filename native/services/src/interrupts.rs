//! Signals that ask this process to end while it creates a container: the current wait fails, the create is undone, and the exit status names
//! the signal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use tsrunc_common::protocol::Channel;
use tsrunc_common::wait;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{name, Caught};

/// The signals that interrupt a wait. None: it cannot be interrupted.
pub type Interrupt<'a> = Option<&'a Caught>;

/// The signals that are caught, from the moment a container is reserved.
pub struct Interrupts(Caught);

impl Interrupts {
    /// None if something else in this process already handles signals.
    pub fn begin() -> Result<Option<Self>, Failure> {
        Ok(not_busy(Caught::ending())?.map(Interrupts))
    }

    /// Catches all signals, to forward them to the container. Keeps those that `interrupts` has caught already.
    pub fn forward(interrupts: Option<Self>) -> Result<Option<Self>, Failure> {
        let caught = match interrupts {
            Some(Interrupts(mut caught)) => caught.catch_all().map(|()| caught),
            None => Caught::all(),
        };
        Ok(not_busy(caught)?.map(Interrupts))
    }

    pub fn interrupt(&self) -> &Caught {
        &self.0
    }

    /// Fails if a signal has arrived.
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.asked_to_end() {
            return Err(interrupted("make the container".into()));
        }
        Ok(())
    }

    /// If a signal has arrived, returns a failure that names it. That signal does not interrupt the undo that follows.
    pub fn explain(&mut self, failure: Failure) -> Failure {
        match self.0.take_ending() {
            Some(signal) => Failure {
                code: FailureCode::Interrupted,
                cause: format!("interrupted by {}", name(signal)),
                signal: Some(signal),
                errno: None,
                operation: failure.operation,
            },
            None => failure,
        }
    }

    pub fn into_caught(self) -> Caught {
        self.0
    }
}

fn not_busy(caught: Result<Caught, Errno>) -> Result<Option<Caught>, Failure> {
    match caught {
        Ok(caught) => Ok(Some(caught)),
        Err(Errno::BUSY) => Ok(None),
        Err(errno) => Err(errno).during(|| "catch signals".into()),
    }
}

/// Waits for a message or EOF. `what` names what is waited for in the error.
///
/// # Errors
/// `Interrupted`.
pub fn wait_for(channel: &Channel, interrupt: Interrupt<'_>, what: &str) -> Result<(), Failure> {
    wait_readable(channel.socket().as_fd(), interrupt, what)
}

/// The same for a process that may exit without an EOF, because another process has its end of the socket too.
///
/// # Errors
/// `Interrupted`; `Finished` if the process has exited and there is no message.
pub fn wait_for_process(channel: &Channel, pidfd: &OwnedFd, interrupt: Interrupt<'_>) -> Result<(), Failure> {
    let during = || "wait for the process".to_owned();
    loop {
        if interrupt.is_some_and(Caught::was_asked_to_end) {
            return Err(interrupted(during()));
        }
        let mut watched = vec![PollFd::from_borrowed_fd(channel.socket().as_fd(), PollFlags::IN), PollFd::new(pidfd, PollFlags::IN)];
        watched.extend(interrupt.map(|caught| PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN)));
        wait::any(&mut watched, None).during(during)?;
        if !watched[0].revents().is_empty() {
            return Ok(());
        }
        if !watched[1].revents().is_empty() {
            return Err(Failure::new(FailureCode::Finished, during(), "it was killed (out of memory, or a signal from outside)"));
        }
        if interrupt.is_some_and(Caught::asked_to_end) {
            return Err(interrupted(during()));
        }
    }
}

/// Waits until a descriptor is readable or closed by its peer. `what` names what is waited for in the error.
pub fn wait_readable(fd: BorrowedFd<'_>, interrupt: Interrupt<'_>, what: &str) -> Result<(), Failure> {
    let Some(interrupt) = interrupt else { return Ok(()) };
    let during = || format!("wait for {what}");
    let mut asked = interrupt.was_asked_to_end();
    while !asked {
        let mut watched = [PollFd::from_borrowed_fd(interrupt.fd(), PollFlags::IN), PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        wait::any(&mut watched, None).during(during)?;
        if watched[0].revents().is_empty() {
            return Ok(());
        }
        asked = interrupt.asked_to_end();
    }
    Err(interrupted(during()))
}

/// The failure of an operation that a signal interrupted.
pub fn interrupted(operation: String) -> Failure {
    Failure::new(FailureCode::Interrupted, operation, "a signal came")
}
