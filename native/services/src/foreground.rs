//! `run` in the foreground: forwards signals to the container, and copies bytes and the window size between the caller's terminal and the
//! container's, until the container's process exits.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{set_child_subreaper, waitid, Pid, WaitId, WaitIdOptions};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{exited_child, send, Caught, CHILD_END, WINDOW_CHANGE};

use crate::notify::Proxy;
use crate::pending::Pending;
use crate::reactor::{Interest, Reactor};
use crate::terminal::{self, End, Terminal};

/// Call this before the program runs, so that it sees the right window size from the start.
pub fn prepare(container: &Pending) -> Result<(), Failure> {
    container.master.as_ref().map_or(Ok(()), terminal::prepare)
}

/// Makes this process a subreaper: orphaned descendants become its children.
pub fn adopt_orphans() -> Result<(), Failure> {
    set_child_subreaper(Some(rustix::process::getpid())).during(|| "become a subreaper".into())
}

/// What this process does for a container while it waits for its exit.
pub struct Foreground<'a> {
    /// Forwarded to the container. None if something else in this process already handles signals.
    pub signals: Option<Caught>,
    /// Reap orphans of the container, which become our children. False in Node, which reaps children itself.
    pub subreaper: bool,
    /// Forwards the container's `READY=1`.
    pub notify: Option<&'a Proxy>,
}

impl Foreground<'_> {
    /// Waits for the container's process to exit and reaps it. Returns its exit status, or 128 + the signal that killed it.
    pub fn wait(self, container: &mut Pending) -> Result<u32, Failure> {
        let during = || "wait for the container".to_owned();
        let Foreground { mut signals, subreaper, notify } = self;
        if subreaper {
            if let Some(signals) = &mut signals {
                signals.catch_child_exits().during(|| "catch SIGCHLD".into())?;
            }
        }
        let mut reactor = Reactor::new().during(during)?;
        reactor.watch_exit(container.pidfd.as_fd(), Source::Container).during(during)?;
        if let Some(signals) = &signals {
            reactor.watch(signals.fd(), Interest::READ, Source::Signals).during(during)?;
        }
        if let Some(proxy) = notify {
            reactor.watch(proxy.fd(), Interest::READ, Source::Notify).during(during)?;
        }
        let terminal = container.master.take().map(|master| Terminal::new(master, &mut reactor)).transpose()?;
        let mut attached = Attached { reactor, pidfd: &container.pidfd, pid: container.identity.pid, subreaper, signals, terminal, notify };
        attached.serve()?;
        let status = attached.reap();
        if let Some(signals) = &mut attached.signals {
            signals.take(); // discard what arrived since: the container is gone
        }
        status
    }
}

/// The sources of events.
#[derive(Clone, Copy)]
enum Source {
    Container,
    Signals,
    Notify,
    Terminal(End),
}

impl From<End> for Source {
    fn from(end: End) -> Self {
        Source::Terminal(end)
    }
}

/// A container with the caller attached.
struct Attached<'a> {
    reactor: Reactor<'a, Source>,
    pidfd: &'a OwnedFd,
    pid: i32,
    subreaper: bool,
    signals: Option<Caught>,
    terminal: Option<Terminal>,
    notify: Option<&'a Proxy>,
}

impl Attached<'_> {
    /// Returns when the container's process has exited and everything that it wrote is copied.
    fn serve(&mut self) -> Result<(), Failure> {
        let during = || "wait for the container".to_owned();
        let mut ended = false;
        self.reap_orphans()?; // those that exited before we caught SIGCHLD
        self.forward_signals()?; // those that arrived during the start
        loop {
            if ended && !self.terminal.as_mut().is_some_and(Terminal::drain) {
                return Ok(());
            }
            if let Some(terminal) = &mut self.terminal {
                terminal.set_interests(&mut self.reactor).during(during)?;
            }
            let Some(event) = self.reactor.next().during(during)? else { return Ok(()) };
            match event.token {
                Source::Container => {
                    ended = true;
                    self.forward_notify(); // its last message
                }
                Source::Signals => {
                    // The process is gone, so a signal now means: do not wait for a stopped terminal.
                    if self.forward_signals()? && ended {
                        return Ok(());
                    }
                }
                Source::Notify => self.forward_notify(),
                Source::Terminal(end) => self.terminal.iter_mut().for_each(|terminal| terminal.advance(end)),
            }
        }
    }

    fn forward_notify(&self) {
        if let Some(proxy) = self.notify {
            proxy.forward();
        }
    }

    /// Handles pending signals. Returns whether one was for the container.
    fn forward_signals(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        for signal in self.signals.as_mut().map(Caught::take).unwrap_or_default() {
            match signal {
                CHILD_END => self.reap_orphans()?,
                WINDOW_CHANGE => self.terminal.iter().for_each(Terminal::copy_size),
                _ => {
                    any = true;
                    match send(self.pidfd, signal) {
                        Ok(()) | Err(Errno::SRCH) => {} // it has just exited
                        Err(errno) => return Err(errno).during(|| format!("forward signal {signal}")),
                    }
                }
            }
        }
        Ok(any)
    }

    /// Reaps exited children, except the container's process.
    fn reap_orphans(&self) -> Result<(), Failure> {
        let during = || "reap orphans".to_owned();
        let next = || exited_child().during(during).map(|pid| pid.filter(|pid| self.subreaper && *pid != self.pid).and_then(Pid::from_raw));
        while let Some(pid) = next()? {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).during(during)?;
        }
        Ok(())
    }

    fn reap(&self) -> Result<u32, Failure> {
        let during = || "wait for the container".to_owned();
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED).during(during)?;
        let status = status.ok_or_else(|| Failure::new(FailureCode::Other, during(), "it has no status"))?;
        let signalled = status.terminating_signal().map(|signal| 128 + signal as u32);
        signalled.or(status.exit_status().map(|code| code as u32)).ok_or_else(|| Failure::new(FailureCode::Other, during(), "it neither exited nor was killed"))
    }
}
