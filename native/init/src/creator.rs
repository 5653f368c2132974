//! The creator, as the operations of a plan see it: at the other end of the channel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tsrunc_common::protocol::{Channel, Console, FromInit};
use tsrunc_plan::failure::Failure;

use crate::launch::send_terminal;
use crate::setup::Creator;

/// Asks the creator over the channel.
pub struct ChannelCreator<'a> {
    pub channel: &'a Channel,
    pub console: &'a Console,
}

impl Creator for ChannelCreator<'_> {
    fn run_hooks(&mut self) -> Result<String, Failure> {
        self.channel.ask(&FromInit::Hooks)
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.channel.socket().as_fd()
    }

    fn set_schedule(&mut self) -> Result<(), Failure> {
        self.channel.ask(&FromInit::Schedule).map(drop)
    }

    fn send_terminal(&mut self, master: &OwnedFd) -> Result<(), Failure> {
        send_terminal(self.channel, self.console, master)
    }
}
