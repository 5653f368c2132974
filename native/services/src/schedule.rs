//! Carries out `Schedule` operations on behalf of the init, which lacks the privilege. Runs in the creator.

use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{IoPriority, Operation, Scheduler};
use tsrunc_sys::errno::During;
use tsrunc_sys::schedule::{set_io_priority, set_scheduler, SchedulerAttributes};

/// Carries out the `Schedule` operations for a process; pid 0 is the caller.
///
/// # Errors
/// A setting that the kernel refuses, with the field and what it may need.
pub fn schedule(pid: i32, operations: &[Operation]) -> Result<(), Failure> {
    operations.iter().try_for_each(|operation| match operation {
        Operation::Schedule { scheduler, io_priority } => {
            scheduler.as_ref().map_or(Ok(()), |scheduler| apply_scheduler(pid, scheduler))?;
            io_priority.as_ref().map_or(Ok(()), |priority| apply_io_priority(pid, priority))
        }
        _ => Ok(()),
    })
}

fn apply_scheduler(pid: i32, scheduler: &Scheduler) -> Result<(), Failure> {
    const FIFO: u32 = 1;
    const ROUND_ROBIN: u32 = 2;
    const DEADLINE: u32 = 6;
    let during = || "set the scheduling policy (/process/scheduler)".to_owned();
    let number = |text: &str| text.parse().map_err(|_| Failure::new(FailureCode::BadRequest, during(), format!("{text:?} is not a number")));
    let attributes = SchedulerAttributes {
        policy: scheduler.policy,
        flags: scheduler.flags.into(),
        nice: scheduler.nice,
        priority: scheduler.priority,
        runtime: number(&scheduler.runtime)?,
        deadline: number(&scheduler.deadline)?,
        period: number(&scheduler.period)?,
    };
    set_scheduler(pid, attributes).during(during).map_err(|failure| match failure.errno.as_deref() {
        // With real-time group scheduling (sched(7)) a new v1 cgroup has no real-time budget.
        Some("EPERM") if matches!(scheduler.policy, FIFO | ROUND_ROBIN) => Failure {
            cause: format!(
                "{}: real-time policies need CAP_SYS_NICE, and where the kernel has real-time groups /linux/resources/cpu/realtimeRuntime",
                failure.cause
            ),
            ..failure
        },
        // sched(7): a deadline task may run on every CPU of its root domain, which a cpuset can forbid. The end is runc's text.
        Some("EPERM") if scheduler.policy == DEADLINE => Failure {
            cause: format!(
                "{}: SCHED_DEADLINE needs CAP_SYS_NICE and every CPU: process scheduler can't be used together with AllowedCPUs (/linux/resources/cpu/cpus)",
                failure.cause
            ),
            ..failure
        },
        _ => failure,
    })
}

fn apply_io_priority(pid: i32, priority: &IoPriority) -> Result<(), Failure> {
    set_io_priority(pid, priority.class, priority.level).during(|| "set the I/O priority (/process/ioPriority)".into())
}
