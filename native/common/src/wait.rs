//! Waits for a descriptor, with a deadline. Loops over many sources use the reactor in native/services.

use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, Timespec};
use rustix::io::Errno;

/// Waits until one of the descriptors is ready; false if the deadline passes first. None: no deadline.
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

/// The time until a deadline, for system calls; zero if it has passed.
pub fn time_left(deadline: Option<Instant>) -> Option<Timespec> {
    let left: Duration = deadline?.saturating_duration_since(Instant::now());
    Some(Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() })
}
