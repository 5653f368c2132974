//! Resource limits of a container's process, set by the init or, in a user namespace, by its creator.

use tsrunc_plan::container::{Process, Rlimit};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::process as sys;

/// Descriptors that the init needs until it executes the program.
const OWN_DESCRIPTORS: u64 = 16;

/// Sets the resource limits of the process `pid`; 0 is this one. RLIMIT_NOFILE is not set lower than the init needs; `low_open_files` has the
/// rest.
pub fn set_limits(pid: i32, process: &Process) -> Result<(), Failure> {
    let own = OWN_DESCRIPTORS + u64::from(process.preserve_fds);
    for limit in &process.rlimits {
        let (number, [soft, hard]) = parse_limit(limit)?;
        let value = if is_low(limit, soft, own) { [own, hard.max(own)] } else { [soft, hard] };
        sys::set_limit(pid, number, value[0], value[1]).during(|| setting(limit))?;
    }
    Ok(())
}

/// The RLIMIT_NOFILE that `set_limits` left too high: it is set for startContainer hooks and right before the exec.
pub fn low_open_files(process: &Process) -> Result<Option<[u64; 2]>, Failure> {
    let own = OWN_DESCRIPTORS + u64::from(process.preserve_fds);
    for limit in &process.rlimits {
        let (_, value) = parse_limit(limit)?;
        if is_low(limit, value[0], own) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn is_low(limit: &Rlimit, soft: u64, own: u64) -> bool {
    limit.kind == "RLIMIT_NOFILE" && soft < own
}

/// Number, soft and hard limit.
fn parse_limit(limit: &Rlimit) -> Result<(u32, [u64; 2]), Failure> {
    let bad = || Failure::new(FailureCode::BadRequest, setting(limit), "no such limit");
    let number = sys::limit_number(&limit.kind).ok_or_else(bad)?;
    Ok((number, [limit.soft.parse().map_err(|_| bad())?, limit.hard.parse().map_err(|_| bad())?]))
}

fn setting(limit: &Rlimit) -> String {
    format!("set {} to {}:{}", limit.kind, limit.soft, limit.hard)
}
