//! Names a process so that a reused pid is not mistaken for it.

use crate::plain;

plain! {
/// A process by pid and start time (proc_pid_stat(5), field 22).
pub struct ProcessIdentity {
    pub pid: i32,
    /// Clock ticks since boot, decimal.
    pub start_time_ticks: String,
}
}
