//! Processes that are named by pid and start time, so that a reused pid is never mistaken for them.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{pidfd_open, Pid, PidfdFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::request::ProcessIdentity;
use tsrunc_sys::errno::During;

/// Start time of a process in clock ticks since boot, decimal (proc_pid_stat(5), field 22).
pub fn start_time(pid: i32) -> Result<String, Failure> {
    stat(pid).map(|stat| stat.start_time_ticks)
}

struct Stat {
    state: char,
    start_time_ticks: String,
}

fn stat(pid: i32) -> Result<Stat, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read(&path).during(|| format!("read {path:?}"))?;
    parse_stat(&String::from_utf8_lossy(&text)).ok_or_else(|| Failure::new(FailureCode::Other, format!("read {path:?}"), "not understood"))
}

/// The command's name is in parentheses and may hold anything, so the fields are counted from its end.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, start_time_ticks: fields.nth(18)?.to_owned() })
}

/// A pidfd of the process, if it lives: opened first, compared after, so it cannot be another one's.
fn open(process: &ProcessIdentity) -> Result<Option<OwnedFd>, Failure> {
    let Some(pid) = Pid::from_raw(process.pid).filter(|_| process.pid > 0) else {
        return Err(Failure::new(FailureCode::BadRequest, format!("find process {}", process.pid), "no pid"));
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH | Errno::INVAL) => return Ok(None), // gone, or the id of a thread by now
        result => result.during(|| format!("open process {}", process.pid))?,
    };
    match stat(process.pid) {
        Ok(stat) if stat.start_time_ticks == process.start_time_ticks && !matches!(stat.state, 'Z' | 'X') => Ok(Some(pidfd)),
        Ok(_) => Ok(None),
        Err(failure) if matches!(failure.code, FailureCode::NotFound | FailureCode::Finished) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether the process lives; a zombie does not.
pub fn alive(process: &ProcessIdentity) -> Result<bool, Failure> {
    open(process).map(|found| found.is_some())
}

/// Signals the process.
///
/// # Errors
/// `Finished` if it ended.
pub fn kill(process: &ProcessIdentity, signal: i32) -> Result<(), Failure> {
    let during = || format!("signal process {} with {signal}", process.pid);
    let Some(pidfd) = open(process)? else { return Err(Errno::SRCH).during(during) };
    tsrunc_sys::signals::send(&pidfd, signal).during(during)
}

/// Waits until the process is gone (a zombie is), at most so long. True: it is gone.
pub fn wait_gone(process: &ProcessIdentity, timeout: Duration) -> Result<bool, Failure> {
    let Some(pidfd) = open(process)? else { return Ok(true) };
    let during = || format!("wait for process {}", process.pid);
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            result => return Ok(result.during(during)? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let text = "12 (a) b (c) S 1 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.start_time_ticks.as_str()), ('S', "777"));
    }

    #[test]
    fn finds_itself_and_not_another_of_its_pid() {
        let pid = std::process::id() as i32;
        let own = ProcessIdentity { pid, start_time_ticks: start_time(pid).unwrap() };
        assert!(alive(&own).unwrap());
        let reused = ProcessIdentity { pid, start_time_ticks: "1".into() };
        assert!(!alive(&reused).unwrap());
        assert_eq!(kill(&reused, 9).unwrap_err().code, FailureCode::Finished);
    }
}
