//! `run` in the foreground: signals go to the container, bytes and window size between the caller's terminal and the
//! container's, until the container's process has ended.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{set_child_subreaper, waitid, Pid, WaitId, WaitIdOptions};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{ended_child, send, Caught, CHILD_END, WINDOW_CHANGE};

use crate::notify::Proxy;
use crate::pending::Pending;
use crate::terminal::{self, Source, Terminal};

/// How soon a terminal is noticed that was closed and opened again in the container.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Before the program runs: it finds the right window size from its first instruction on.
pub fn prepare(container: &Pending) -> Result<(), Failure> {
    container.master.as_ref().map_or(Ok(()), terminal::prepare)
}

/// What a caller who stays with a container does for it meanwhile.
pub struct Attendance<'a> {
    /// None when somebody else in this process has the signals.
    pub signals: Option<Caught>,
    /// Orphans of the container come to us and are reaped too (not in Node, whose children are its own).
    pub subreaper: bool,
    pub notify: Option<&'a mut Proxy>,
}

impl Attendance<'_> {
    /// Waits for the end of the container's process and reaps it. Returns the exit status: the process's own, or 128 + signal.
    pub fn wait(self, container: &mut Pending) -> Result<u32, Failure> {
        let Attendance { mut signals, subreaper, notify } = self;
        if subreaper {
            set_child_subreaper(Some(rustix::process::getpid())).during(|| "become a subreaper".into())?;
            if let Some(signals) = &mut signals {
                signals.child_ends().during(|| "catch SIGCHLD".into())?;
            }
        }
        let terminal = container.master.take().map(Terminal::new).transpose()?;
        let mut session = Session { container: &container.pidfd, pid: container.identity.pid, subreaper, signals, terminal, notify };
        session.attend()?;
        let status = session.reap();
        if let Some(late) = &mut session.signals {
            late.take(); // for a container that has ended
        }
        status
    }
}

struct Session<'a> {
    container: &'a OwnedFd,
    pid: i32,
    subreaper: bool,
    signals: Option<Caught>,
    terminal: Option<Terminal>,
    notify: Option<&'a mut Proxy>,
}

/// What poll(2) found ready.
#[derive(Clone, Copy)]
enum Ready {
    Container,
    Signals,
    Notify,
    Terminal(Source),
}

impl Session<'_> {
    /// Returns when the container's process has ended and all that it wrote is copied.
    fn attend(&mut self) -> Result<(), Failure> {
        let mut ended = false;
        self.reap_orphans()?; // those that came before their end was caught
        self.forward_signals()?; // those that came before there was somebody to wait for them
        loop {
            if ended && !self.terminal.as_mut().is_some_and(Terminal::drain) {
                return Ok(());
            }
            for ready in self.wait_ready(!ended).during(|| "wait for the container".into())? {
                match ready {
                    Ready::Container => ended = true,
                    Ready::Signals => {
                        // Whoever signals us now does not want to wait for a terminal that is stopped.
                        if self.forward_signals()? && ended {
                            return Ok(());
                        }
                    }
                    Ready::Notify => self.notify.iter_mut().for_each(|proxy| proxy.forward()),
                    Ready::Terminal(source) => self.terminal.iter_mut().for_each(|terminal| terminal.advance(source)),
                }
            }
            if let Some(terminal) = self.terminal.as_mut().filter(|terminal| !ended && terminal.is_hung_up()) {
                terminal.look_again();
            }
        }
    }

    fn wait_ready(&self, for_container: bool) -> Result<Vec<Ready>, Errno> {
        let mut sources = Vec::new();
        let mut watched = Vec::new();
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        if for_container {
            sources.push(Ready::Container);
            watched.push(readable(self.container.as_fd()));
        }
        if let Some(signals) = &self.signals {
            sources.push(Ready::Signals);
            watched.push(readable(signals.fd()));
        }
        if let Some(proxy) = &self.notify {
            sources.push(Ready::Notify);
            watched.push(readable(proxy.fd()));
        }
        if let Some(terminal) = &self.terminal {
            let mut ends = Vec::new();
            terminal.watch(&mut ends);
            for (source, fd) in ends {
                sources.push(Ready::Terminal(source));
                watched.push(fd);
            }
        }
        let looks_again = for_container && self.terminal.as_ref().is_some_and(Terminal::is_hung_up);
        match poll(&mut watched, looks_again.then_some(&LOOK_AGAIN)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(sources.into_iter().zip(&watched).filter(|(_, fd)| !fd.revents().is_empty()).map(|(source, _)| source).collect())
    }

    /// True if there was one for the container.
    fn forward_signals(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        for signal in self.signals.as_mut().map(Caught::take).unwrap_or_default() {
            match signal {
                CHILD_END => self.reap_orphans()?,
                WINDOW_CHANGE => self.terminal.iter().for_each(Terminal::copy_size),
                _ => {
                    any = true;
                    match send(self.container, signal) {
                        Ok(()) | Err(Errno::SRCH) => {} // it ended just now
                        Err(errno) => return Err(errno).during(|| format!("forward signal {signal}")),
                    }
                }
            }
        }
        Ok(any)
    }

    /// Reaps children that ended, but for the container's process.
    fn reap_orphans(&self) -> Result<(), Failure> {
        let during = || "reap orphans".to_owned();
        let next = || ended_child().during(during).map(|pid| pid.filter(|pid| self.subreaper && *pid != self.pid).and_then(Pid::from_raw));
        while let Some(pid) = next()? {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).during(during)?;
        }
        Ok(())
    }

    fn reap(&self) -> Result<u32, Failure> {
        let during = || "wait for the container".to_owned();
        let status = waitid(WaitId::PidFd(self.container.as_fd()), WaitIdOptions::EXITED).during(during)?;
        let status = status.ok_or_else(|| Failure::new(FailureCode::Other, during(), "it has no status"))?;
        let signalled = status.terminating_signal().map(|signal| 128 + signal as u32);
        signalled.or(status.exit_status().map(|code| code as u32)).ok_or_else(|| Failure::new(FailureCode::Other, during(), "it neither exited nor was killed"))
    }
}
