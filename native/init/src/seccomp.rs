//! Loads the container's filter of system calls, at the moment that asks least of the profile.

use std::os::fd::AsRawFd;

use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;
use tsrunc_sys::seccomp::{load_filter, Filter, NEW_LISTENER};

use tsrunc_common::protocol::{Channel, FromInit, Launch, SeccompFilter};

/// When a filter is loaded. Whatever the init does afterwards the profile must allow.
#[derive(PartialEq)]
pub enum Moment {
    /// Without no_new_privs: only CAP_SYS_ADMIN loads a filter (seccomp(2)), which the user may lack.
    Privileged,
    /// With a listener: it belongs to the creator, who is gone when the program starts.
    Created,
    /// Otherwise: right before the exec, and in each startContainer hook right before its exec. So the profile need not allow what the
    /// init does to wait for `start` and to run hooks.
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

/// The filter that startContainer hooks load themselves; one that was loaded before they inherit.
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
/// The kernel refuses it: `EACCES` without no_new_privs and CAP_SYS_ADMIN. A creator who does not take the listener.
pub fn load_when(moment: Moment, launch: &Launch<'_>, channel: &Channel) -> Result<(), Failure> {
    let Some(filter) = filter_at(moment, launch) else { return Ok(()) };
    let listener = load_filter(&filter).during(|| "load the seccomp filter (/linux/seccomp)".into())?;
    if let Some(listener) = listener {
        channel.ask(&FromInit::Listener(listener.as_raw_fd()))?;
    }
    Ok(())
}
