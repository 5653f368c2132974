//! A process between its making and its release, with what its caller wants of it: a container's first one, or one that `exec` brings in.

use tsrunc_plan::failure::Failure;

use crate::foreground;
use crate::interrupts::Interrupts;
use crate::pending::Pending;

pub struct HeldProcess {
    pub pending: Pending,
    /// The caller stays with it: it keeps the terminal.
    pub stays: bool,
    /// startContainer hooks stand between its release and the program.
    pub runs_hooks: bool,
}

impl HeldProcess {
    /// Lets the process go on. With a caller who stays, `interrupts` are the process's signals once its program runs, and with `subreaper` its
    /// orphans are the caller's children, however early they lose their parent.
    pub fn release(&mut self, interrupts: &mut Option<Interrupts>, subreaper: bool) -> Result<(), Failure> {
        interrupts.as_ref().map_or(Ok(()), Interrupts::check)?;
        if subreaper {
            foreground::adopt_orphans()?;
        }
        if !self.stays {
            return self.pending.release(interrupts.as_ref().map(Interrupts::interrupt));
        }
        foreground::prepare(&self.pending)?;
        if self.runs_hooks {
            self.pending.release(interrupts.as_ref().map(Interrupts::interrupt))?;
            *interrupts = Interrupts::pass_on(interrupts.take())?;
        } else {
            // The program may signal readiness, and be answered by a signal, before we hear that it runs.
            *interrupts = Interrupts::pass_on(interrupts.take())?;
            self.pending.release(None)?;
        }
        Ok(())
    }
}
