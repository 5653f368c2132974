//! `run` in the foreground: signals go to the container, bytes and window size between the caller's terminal and the
//! container's, until the container's process has ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{waitid, WaitId, WaitIdOptions};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize, OptionalActions, Termios};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{intercept, send, Intercepted};

use crate::create::Pending;

const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;
/// Not for the container: faults of our own, and what job control does to our own terminal.
const OWN_SIGNALS: [i32; 8] = [4, 5, 7, 8, 11, 21, 22, 23];

/// Waits for the end of the container's process and reaps it. With `subreaper`, orphans of the container come to us and
/// are reaped too (not in Node, whose children are its own).
///
/// Returns the exit status: the process's own, or 128 + signal.
pub fn run(container: &mut Pending, subreaper: bool) -> Result<u32, Failure> {
    let signals = intercept(&OWN_SIGNALS).during(|| "intercept signals".into())?;
    if subreaper {
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1)).during(|| "become a subreaper".into())?;
    }
    let mut session = Session { container: &container.pidfd, signals, terminal: container.master.take().map(Terminal::new).transpose()? };
    let status = session.attend();
    if subreaper {
        reap_orphans();
    }
    status
}

struct Session<'a> {
    container: &'a OwnedFd,
    signals: Intercepted,
    terminal: Option<Terminal>,
}

impl Session<'_> {
    fn attend(&mut self) -> Result<u32, Failure> {
        let during = || "wait for the container".to_owned();
        loop {
            let mut watched = vec![PollFd::new(self.container, PollFlags::IN), PollFd::new(&self.signals.fd, PollFlags::IN)];
            if let Some(terminal) = &self.terminal {
                terminal.watch(&mut watched);
            }
            match poll(&mut watched, None) {
                Err(Errno::INTR) => continue,
                result => result.during(during)?,
            };
            let ready: Vec<PollFlags> = watched.iter().map(PollFd::revents).collect();
            drop(watched);
            if !ready[1].is_empty() {
                self.forward_signals()?;
            }
            if let Some(terminal) = &mut self.terminal {
                terminal.copy(&ready[2..])?;
            }
            if !ready[0].is_empty() {
                if let Some(terminal) = &mut self.terminal {
                    terminal.drain()?;
                }
                return self.reap();
            }
        }
    }

    fn forward_signals(&self) -> Result<(), Failure> {
        while let Some(signal) = self.signals.next().during(|| "read signals".into())? {
            match (signal, &self.terminal) {
                (SIGCHLD, _) => {}
                (SIGWINCH, Some(terminal)) => terminal.copy_size(),
                _ => match send(self.container, signal) {
                    Ok(()) | Err(Errno::SRCH) => {} // it ended just now
                    Err(errno) => return Err(errno).during(|| format!("forward signal {signal}")),
                },
            }
        }
        Ok(())
    }

    fn reap(&self) -> Result<u32, Failure> {
        let during = || "wait for the container".to_owned();
        let status = waitid(WaitId::PidFd(self.container.as_fd()), WaitIdOptions::EXITED).during(during)?;
        let status = status.ok_or_else(|| Failure::new(FailureCode::Other, during(), "no status"))?;
        let signalled = status.terminating_signal().map(|signal| 128 + signal as u32);
        Ok(signalled.or(status.exit_status().map(|code| code as u32)).unwrap_or(255))
    }
}

/// Reaps children that ended, whoever's they were: the container's process is reaped already.
fn reap_orphans() {
    while let Ok(Some(_)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {}
}

/// The caller's terminal and the container's. The caller's is as before when this value is dropped.
struct Terminal {
    master: OwnedFd,
    /// Of stdin, if it is a terminal.
    before: Option<Termios>,
    reads_stdin: bool,
    /// Read from stdin, not yet taken by the container: it may be slow.
    pending_input: Vec<u8>,
}

impl Terminal {
    fn new(master: OwnedFd) -> Result<Self, Failure> {
        let stdin = rustix::stdio::stdin();
        let mut terminal = Terminal { master, before: None, reads_stdin: true, pending_input: Vec::new() };
        // The master must not block us while the container does not read.
        rustix::io::ioctl_fionbio(&terminal.master, true).during(|| "make the terminal's master non-blocking".into())?;
        if let Ok(before) = tcgetattr(stdin) {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(stdin, OptionalActions::Now, &raw).during(|| "make the terminal raw".into())?;
            terminal.before = Some(before);
            terminal.copy_size();
        }
        Ok(terminal)
    }

    /// A terminal that is gone has no size to copy.
    fn copy_size(&self) {
        if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
            if let Err(_gone) = tcsetwinsize(&self.master, size) {}
        }
    }

    fn watch<'fd>(&'fd self, watched: &mut Vec<PollFd<'fd>>) {
        let mut events = PollFlags::IN;
        if !self.pending_input.is_empty() {
            events |= PollFlags::OUT;
        }
        watched.push(PollFd::new(&self.master, events));
        if self.reads_stdin && self.pending_input.is_empty() {
            watched.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
    }

    fn copy(&mut self, ready: &[PollFlags]) -> Result<(), Failure> {
        if ready[0].intersects(PollFlags::IN | PollFlags::HUP) {
            self.copy_output()?;
        }
        if ready.get(1).is_some_and(|events| !events.is_empty()) {
            self.read_input();
        }
        self.write_input();
        Ok(())
    }

    /// Copies what the container wrote. False when there is no more for now, or ever (EIO: nobody holds the slave).
    fn copy_output(&mut self) -> Result<bool, Failure> {
        let mut buffer = [0u8; 16_384];
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(0) | Err(_) => Ok(false),
            Ok(count) => {
                write_fully(rustix::stdio::stdout(), &buffer[..count]).during(|| "write to stdout".into())?;
                Ok(true)
            }
        }
    }

    fn read_input(&mut self) {
        let mut buffer = [0u8; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => {
                self.reads_stdin = false;
                self.pending_input.push(4); // ^D: a terminal has no other way to say that no more comes
            }
            Ok(count) => self.pending_input.extend_from_slice(&buffer[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.reads_stdin = false,
        }
    }

    fn write_input(&mut self) {
        if self.pending_input.is_empty() {
            return;
        }
        match rustix::io::write(&self.master, &self.pending_input) {
            Ok(count) => drop(self.pending_input.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.pending_input.clear(), // nobody reads any more
        }
    }

    /// Copies what is left when the container has ended.
    fn drain(&mut self) -> Result<(), Failure> {
        while self.copy_output()? {}
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that was hung up has no mode to restore.
            if let Err(_hung_up) = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before) {}
        }
    }
}

/// Writes all, also to a descriptor that its owner made non-blocking.
fn write_fully(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
