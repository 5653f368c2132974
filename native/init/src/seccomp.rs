//! Loads the container's seccomp filter as late as possible, so that the profile need not allow the init's own system calls.

use std::os::fd::AsRawFd;

use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;
use tsrunc_sys::seccomp::{load_filter, Filter, NEW_LISTENER};

use tsrunc_common::protocol::{Channel, FromInit, Launch, SeccompFilter};

/// When a filter is loaded. The profile must allow all that the init does afterwards.
#[derive(PartialEq)]
pub enum Moment {
    /// Without no_new_privs: loading takes CAP_SYS_ADMIN (seccomp(2)), which the container's user may lack.
    Privileged,
    /// With a listener: the creator takes it, and may have exited by `start`.
    Created,
    /// Otherwise right before the exec. Each startContainer hook loads the filter itself, right before its own exec. So the profile need not
    /// allow the init to wait for `start` and to run hooks.
    Exec,
}

fn moment_of(filter: &SeccompFilter, launch: &Launch<'_>) -> Moment {
    if !launch.process.no_new_privileges {
        Moment::Privileged
    } else if filter.flags & NEW_LISTENER != 0 {
        Moment::Created
    } else {
        Moment::Exec
    }
}

/// The filter that startContainer hooks must load themselves: None if the init has loaded it, because then they inherit it.
pub fn filter_of_hooks<'a>(launch: &'a Launch<'_>) -> Option<Filter<'a>> {
    filter_at(Moment::Exec, launch)
}

fn filter_at<'a>(moment: Moment, launch: &'a Launch<'_>) -> Option<Filter<'a>> {
    let filter = launch.seccomp.as_ref().filter(|filter| moment_of(filter, launch) == moment)?;
    Some(Filter { program: &filter.program, flags: filter.flags })
}

/// Loads the filter if there is one and this is its moment.
///
/// # Errors
/// The kernel refuses the filter (`EACCES` without no_new_privs and CAP_SYS_ADMIN), or the creator does not take the listener.
pub fn load_when(moment: Moment, launch: &Launch<'_>, channel: &Channel) -> Result<(), Failure> {
    let Some(filter) = filter_at(moment, launch) else { return Ok(()) };
    let listener = load_filter(&filter).during(|| "load the seccomp filter (/linux/seccomp)".into())?;
    if let Some(listener) = listener {
        // Until the creator has taken the listener nobody answers notifications: the rules of the core allow none about write(2).
        channel.send_by_write(&FromInit::Listener(listener.as_raw_fd()))?;
        channel.await_continue()?;
    }
    Ok(())
}
