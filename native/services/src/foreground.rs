//! `run` in the foreground: signals go to the container, bytes and window size between the caller's terminal and the container's, until the
//! container's process has ended.

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

/// Before the program runs: it finds the right window size from its first instruction on.
pub fn prepare(container: &Pending) -> Result<(), Failure> {
    container.master.as_ref().map_or(Ok(()), terminal::prepare)
}

/// From now on orphans among this process's descendants become its children.
pub fn adopt_orphans() -> Result<(), Failure> {
    set_child_subreaper(Some(rustix::process::getpid())).during(|| "become a subreaper".into())
}

/// What this process does for a container while it waits for its end.
pub struct Foreground<'a> {
    /// Passed on to the container. None when somebody else in this process has the signals.
    pub signals: Option<Caught>,
    /// Orphans of the container become our children and are reaped too. Not in Node, whose children are its own.
    pub subreaper: bool,
    /// Passes on the container's `READY=`.
    pub notify: Option<&'a Proxy>,
}

impl Foreground<'_> {
    /// Waits for the end of the container's process and reaps it. Returns the exit status: the process's own, or 128 + signal.
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
            signals.take(); // they were for a container that has ended
        }
        status
    }
}

/// What is ready.
#[derive(Clone, Copy)]
pub enum Source {
    Container,
    Signals,
    Notify,
    Terminal(End),
}

/// A container whose caller stays with it.
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
    /// Returns when the container's process has ended and all that it wrote is copied.
    fn serve(&mut self) -> Result<(), Failure> {
        let during = || "wait for the container".to_owned();
        let mut ended = false;
        self.reap_orphans()?; // those that ended before SIGCHLD was caught
        self.forward_signals()?; // those that came while the container was started
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
                    self.forward_notify(); // what it sent last
                }
                Source::Signals => {
                    // Whoever signals us now does not want to wait for a terminal that is stopped.
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

    /// Returns whether there was one for the container.
    fn forward_signals(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        for signal in self.signals.as_mut().map(Caught::take).unwrap_or_default() {
            match signal {
                CHILD_END => self.reap_orphans()?,
                WINDOW_CHANGE => self.terminal.iter().for_each(Terminal::copy_size),
                _ => {
                    any = true;
                    match send(self.pidfd, signal) {
                        Ok(()) | Err(Errno::SRCH) => {} // it ended just now
                        Err(errno) => return Err(errno).during(|| format!("forward signal {signal}")),
                    }
                }
            }
        }
        Ok(any)
    }

    /// Reaps children that have ended, except the container's process.
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
