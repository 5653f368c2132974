//! The caller's descriptors from number 3 on that the program inherits by `--preserve-fds` or socket activation.

use rustix::fs::OFlags;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::process::{duplicate, is_open};

/// Their numbers.
pub fn numbers(count: u32) -> impl Iterator<Item = i32> {
    (3..).take(count as usize)
}

/// Checks that all of them are open. Call this before this process opens descriptors that it keeps: otherwise one of ours could get a number that
/// the caller left free, and the container would inherit it.
///
/// # Errors
/// The first number that is not open.
pub fn require_open(count: u32) -> Result<(), Failure> {
    match numbers(count).find(|number| is_open(*number).is_err() || is_epoll(*number)) {
        Some(number) => Err(Failure::new(FailureCode::BadRequest, format!("preserve file descriptor {number}"), "it is not open")),
        None => Ok(()),
    }
}

/// Node.js opens an epoll(7) instance first of all, at the lowest free number.
fn is_epoll(number: i32) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|link| link.as_os_str() == "anon_inode:[eventpoll]")
}

/// Checks that the caller's descriptor is open for writing (`--status-fd`).
pub fn require_writable(number: i32) -> Result<(), Failure> {
    let during = || format!("use file descriptor {number}");
    let file = duplicate(number).during(during)?;
    match rustix::fs::fcntl_getfl(&file).during(during)? & OFlags::ACCMODE {
        OFlags::WRONLY | OFlags::RDWR => Ok(()),
        _ => Err(Failure::new(FailureCode::BadRequest, during(), "it is not open for writing")),
    }
}

/// Writes one zero byte to the caller's descriptor.
pub fn write_zero(number: i32) -> Result<(), Failure> {
    let during = || format!("write to file descriptor {number}");
    crate::files::write_all(&duplicate(number).during(during)?, &[0]).during(during)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_first_number_that_is_not_open() {
        require_open(0).unwrap();
        let free = numbers(u32::MAX).find(|number| is_open(*number).is_err()).unwrap();
        let failure = require_open(free as u32 + 7).unwrap_err();
        // A lower number may be an epoll instance of the test harness.
        assert!(failure.operation.starts_with("preserve file descriptor "), "{failure}");
        assert_eq!(failure.cause, "it is not open");
    }
}
