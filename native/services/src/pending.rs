//! A process between its creation and its release.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{pidfd_open, waitid, Pid, PidfdFlags, WaitId, WaitIdOptions};
use tsrunc_common::descriptors::send_descriptor;
use tsrunc_common::protocol::{Channel, ToInit};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_plan::warning::Warning;
use tsrunc_sys::errno::During;

use crate::gate;
use crate::interrupts::Interrupt;
use crate::net_devices::Moved;
use crate::{files, processes};

/// A process that is killed when this value is dropped, unless it was released first. So however a create ends, by an early return or by a caller
/// that closes its handle, no process is left behind.
pub struct Pending {
    pub identity: ProcessIdentity,
    pub pidfd: OwnedFd,
    /// For the caller to report.
    pub warnings: Vec<Warning>,
    /// The terminal's master, for `ConsolePlan::Keep`.
    pub master: Option<OwnedFd>,
    /// Moved back to the host if the process is never released.
    pub net_devices: Option<Moved>,
    /// Removed if the process is never released.
    pub pid_file: Option<String>,
    pub channel: Option<Channel>,
    /// The state that startContainer hooks read.
    pub state: String,
    /// The release also starts the program (`run`, `exec`).
    pub starts: bool,
    pub released: bool,
}

impl Pending {
    /// Lets the process live on. If `starts` is set, starts the program and waits for its exec.
    pub fn release(&mut self, interrupt: Interrupt<'_>) -> Result<(), Failure> {
        // None for a process that CRIU has restored: it has no init.
        if let Some(channel) = self.channel.take() {
            channel.send(&ToInit::Release { state: std::mem::take(&mut self.state) })?;
            if self.starts {
                let _none = gate::await_exec(&channel, interrupt)?; // the init keeps a notify socket only for `start`
            }
        }
        if let Some(moved) = &mut self.net_devices {
            moved.keep();
        }
        self.released = true;
        Ok(())
    }

    /// A process that is not released yet.
    pub fn new(pid: i32, pidfd: OwnedFd) -> Pending {
        Pending {
            identity: ProcessIdentity { pid, start_time_ticks: String::new() },
            pidfd,
            warnings: Vec::new(),
            master: None,
            net_devices: None,
            pid_file: None,
            channel: None,
            state: String::new(),
            starts: false,
            released: false,
        }
    }

    /// Continues with the process `pid`, which the current one has cloned as a child of ours before it exits.
    pub fn replace_process(&mut self, pid: i32) -> Result<(), Failure> {
        let during = || "take over the process in the container".to_owned();
        let process = Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| Failure::new(FailureCode::Other, during(), format!("its pid is {pid}")))?;
        // The pid cannot have been reused, because our child keeps it until we reap it; waitid(2) fails if it is not our child.
        let pidfd = pidfd_open(process, PidfdFlags::empty()).during(during)?;
        waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT).during(during)?;
        let first = std::mem::replace(&mut self.pidfd, pidfd);
        rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(first.as_fd()), WaitIdOptions::EXITED)).during(during)?;
        self.identity = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid)? };
        Ok(())
    }

    /// Sends the pidfd to the caller's socket and writes the pid file, as far as they were asked for.
    pub fn announce(&mut self, pidfd_receiver: Option<&OwnedFd>, pid_file: Option<&String>) -> Result<(), Failure> {
        if let Some(receiver) = pidfd_receiver {
            send_descriptor(receiver.as_fd(), self.pidfd.as_fd()).during(|| "send the pidfd to the pidfd socket".into())?;
        }
        if let Some(path) = pid_file {
            files::write_pid_file(path, self.identity.pid)?;
            self.pid_file = Some(path.clone());
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.released {
            // Network devices first, because their namespace is destroyed with its last process.
            drop(self.net_devices.take());
            processes::kill_and_reap(&self.pidfd);
            if let Some(path) = &self.pid_file {
                // Ignored: the failure that led here is reported.
                if let Err(_second) = std::fs::remove_file(path) {}
            }
        }
    }
}
