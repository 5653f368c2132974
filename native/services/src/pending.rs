//! A container between its creation and its release.

use std::os::fd::OwnedFd;

use tsrunc_common::protocol::{Channel, ToInit};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::request::ProcessIdentity;
use tsrunc_plan::warning::Warning;

use crate::clone::kill_and_reap;
use crate::gate;
use crate::interrupts::Interrupt;
use crate::net_devices::Moved;

/// A container at its start gate that dies with this value unless it is released.
pub struct Pending {
    pub identity: ProcessIdentity,
    pub pidfd: OwnedFd,
    /// To be reported by the caller.
    pub warnings: Vec<Warning>,
    /// The terminal's master, for `ConsolePlan::Keep`.
    pub master: Option<OwnedFd>,
    /// Moved back to the host if the container never reaches `created`.
    pub net_devices: Option<Moved>,
    /// Removed if the container never reaches `created`.
    pub pid_file: Option<String>,
    pub channel: Option<Channel>,
    /// The state that startContainer hooks read.
    pub state: String,
    /// The release also starts the program (`run`).
    pub starts: bool,
    pub released: bool,
}

impl Pending {
    /// Lets the container live on; with `GatePlan::Channel` starts it and waits for the exec.
    pub fn release(&mut self, interrupt: Interrupt<'_>) -> Result<(), Failure> {
        let Some(channel) = self.channel.take() else { return Ok(()) };
        channel.send(&ToInit::Release { state: std::mem::take(&mut self.state) })?;
        if self.starts {
            let _notify_of_ours = gate::await_exec(&channel, interrupt)?; // none: only a `create` gives it to the init
        }
        if let Some(moved) = &mut self.net_devices {
            moved.keep();
        }
        self.released = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.released {
            // First: the network namespace goes with its last user.
            drop(self.net_devices.take());
            kill_and_reap(&self.pidfd);
            if let Some(path) = &self.pid_file {
                // The failure to tell is the one that brought us here.
                if let Err(_second) = std::fs::remove_file(path) {}
            }
        }
    }
}
