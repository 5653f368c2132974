//! Waiting for one thing, at the latest until a deadline. For loops over many sources there is the reactor of native/services.

use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, Timespec};
use rustix::io::Errno;

/// Waits until one of the descriptors is ready. False if none is at the deadline; None waits without end.
///
/// # Errors
/// The errno of poll(2).
pub fn any(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<bool, Errno> {
    loop {
        match poll(watched, time_left(deadline).as_ref()) {
            Err(Errno::INTR) => {}
            result => return result.map(|count| count > 0),
        }
    }
}

/// What system calls take for the time until a deadline; zero for one that is over.
pub fn time_left(deadline: Option<Instant>) -> Option<Timespec> {
    let left: Duration = deadline?.saturating_duration_since(Instant::now());
    Some(Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() })
}
