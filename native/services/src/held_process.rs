//! A created process that waits for its release, with the options of its caller: a container's first process, or one made by `exec`.

use tsrunc_plan::failure::Failure;

use crate::foreground;
use crate::interrupts::Interrupts;
use crate::pending::Pending;

pub struct HeldProcess {
    pub pending: Pending,
    /// The caller stays attached, in the foreground.
    pub foreground: bool,
    /// startContainer hooks run between its release and the program.
    pub runs_hooks: bool,
}

impl HeldProcess {
    /// Lets the process continue. If the caller is attached, signals are forwarded to the process instead of interrupting the caller from the
    /// moment its program may run; with `subreaper` the caller adopts its orphans from the start.
    pub fn release(&mut self, interrupts: &mut Option<Interrupts>, subreaper: bool) -> Result<(), Failure> {
        interrupts.as_ref().map_or(Ok(()), Interrupts::check)?;
        if subreaper {
            foreground::adopt_orphans()?;
        }
        if !self.foreground {
            return self.pending.release(interrupts.as_ref().map(Interrupts::interrupt));
        }
        foreground::prepare(&self.pending)?;
        if self.runs_hooks {
            self.pending.release(interrupts.as_ref().map(Interrupts::interrupt))?;
            *interrupts = Interrupts::forward(interrupts.take())?;
        } else {
            // Before the release: the program may report readiness, and a signal may arrive in response, before we learn that it runs.
            *interrupts = Interrupts::forward(interrupts.take())?;
            self.pending.release(None)?;
        }
        Ok(())
    }
}
