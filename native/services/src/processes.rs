//! Processes, identified by pid and start time, so that a reused pid is not mistaken for them.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{pidfd_open, pidfd_send_signal, waitid, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tsrunc_common::wait;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_sys::errno::During;

/// Fields of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    /// Field 3.
    state: u8,
    /// Field 4.
    parent: i32,
    /// Field 22, clock ticks since boot.
    start_time_ticks: String,
}

impl Stat {
    fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

fn parse(text: &[u8]) -> Option<Stat> {
    // The program's name, in parentheses, may contain any bytes, parentheses too.
    let end_of_name = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&text[end_of_name + 1..]).ok()?.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let start_time_ticks = fields.nth(17)?.to_owned();
    Some(Stat { state, parent, start_time_ticks })
}

/// None if there is no such process.
fn stat(pid: i32) -> Result<Option<Stat>, Failure> {
    let path = format!("/proc/{pid}/stat");
    let during = || format!("read {path:?}");
    let mut text = [0u8; 1024]; // 52 numbers and a name of at most 64 bytes
    let read = rustix::fs::open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).and_then(|file| rustix::io::read(&file, &mut text));
    match read {
        Ok(count) => parse(&text[..count]).map(Some).ok_or_else(|| Failure::new(FailureCode::Other, during(), "not as proc_pid_stat(5) says")),
        Err(Errno::NOENT | Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno).during(during),
    }
}

/// When the process started, in clock ticks since boot.
///
/// # Errors
/// `Finished` if there is no such process.
pub fn start_time(pid: i32) -> Result<String, Failure> {
    stat(pid)?.map(|stat| stat.start_time_ticks).ok_or_else(|| finished(pid))
}

fn finished(pid: i32) -> Failure {
    Failure::new(FailureCode::Finished, format!("find process {pid}"), "it has ended")
}

/// The state of a process, a letter of proc_pid_stat(5). None if it has exited.
pub fn state(process: &ProcessIdentity) -> Result<Option<u8>, Failure> {
    let stat = stat(process.pid)?;
    Ok(stat.filter(|stat| stat.start_time_ticks == process.start_time_ticks && !stat.has_ended()).map(|stat| stat.state))
}

/// Whether the process is alive; a zombie is not.
pub fn alive(process: &ProcessIdentity) -> Result<bool, Failure> {
    state(process).map(|state| state.is_some())
}

/// A pidfd of the process, None if it has exited. The identity is checked after opening, because the pidfd stays with its process.
pub fn open(process: &ProcessIdentity) -> Result<Option<OwnedFd>, Failure> {
    let during = || format!("open process {}", process.pid);
    // rustix panics on a negative one.
    let pid = Some(process.pid).filter(|pid| *pid > 0).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(FailureCode::BadRequest, during(), "not a pid"))?;
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(alive(process)?.then_some(pidfd)),
        // EINVAL: the number is a thread's now.
        Err(Errno::SRCH | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno).during(during),
    }
}

/// Sends a signal.
///
/// # Errors
/// `Finished` if the process has exited.
pub fn kill(process: &ProcessIdentity, signal: i32) -> Result<(), Failure> {
    let Some(pidfd) = open(process)? else { return Err(finished(process.pid)) };
    tsrunc_sys::signals::send(&pidfd, signal).during(|| format!("send signal {signal} to process {}", process.pid))
}

/// Pidfds of the children of `parent`. If the parent exits meanwhile, its pid may be reused: afterwards the caller asks a pidfd whether it has.
pub fn children(parent: Pid) -> Result<Vec<OwnedFd>, Failure> {
    let is_child = |pid: Pid| stat(pid.as_raw_pid()).map(|stat| stat.is_some_and(|stat| stat.parent == parent.as_raw_pid()));
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").during(|| "list \"/proc\"".into())? {
        let name = entry.during(|| "list \"/proc\"".into())?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).filter(|pid| *pid > 0).and_then(Pid::from_raw) else { continue };
        if !is_child(pid)? {
            continue;
        }
        // Checked again, because the pid may have been reused before it was opened.
        if let (Ok(child), true) = (pidfd_open(pid, PidfdFlags::empty()), is_child(pid)?) {
            children.push(child);
        }
    }
    Ok(children)
}

/// Waits until the process has exited. False if it is still alive after `timeout`.
pub fn wait_gone(process: &ProcessIdentity, timeout: Duration) -> Result<bool, Failure> {
    match open(process)? {
        Some(pidfd) => wait_end(&pidfd, Instant::now() + timeout).during(|| format!("wait for process {}", process.pid)),
        None => Ok(true),
    }
}

/// Waits until the process of a pidfd has exited. False if it is still alive at `deadline`.
pub fn wait_end(pidfd: &OwnedFd, deadline: Instant) -> Result<bool, Errno> {
    wait::any(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(deadline))
}

/// How long to wait for a killed child. One that is frozen in cgroup v1 or in uninterruptible sleep exits later; it is reaped by the process that
/// becomes its parent then.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// Kills a child of ours and reaps it. Does nothing if it is gone already.
pub fn kill_and_reap(child: &OwnedFd) {
    if let Err(_gone) = pidfd_send_signal(child, Signal::KILL) {}
    if wait_end(child, Instant::now() + KILL_TIMEOUT) == Ok(true) {
        if let Err(_reaped) = waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn reads_names_with_parentheses() {
        let text = b"42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n";
        assert_eq!(parse(text), Some(Stat { state: b'S', parent: 1, start_time_ticks: "987654".into() }));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"1 (x) S 1 2"), None);
    }

    #[test]
    fn a_zombie_or_another_with_the_same_pid_is_not_alive() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let pid = child.id() as i32;
        let process = ProcessIdentity { pid, start_time_ticks: start_time(pid).unwrap() };
        let another = ProcessIdentity { pid, start_time_ticks: "1".into() };
        assert!(alive(&process).unwrap());
        assert!(!alive(&another).unwrap());
        assert_eq!(kill(&another, 9).unwrap_err().code, FailureCode::Finished);
        assert!(wait_gone(&another, Duration::ZERO).unwrap());
        assert!(!wait_gone(&process, Duration::from_millis(10)).unwrap());

        kill(&process, 9).unwrap();
        assert!(wait_gone(&process, Duration::from_secs(5)).unwrap());
        assert!(!alive(&process).unwrap(), "it is a zombie");
        assert_eq!(kill(&process, 9).unwrap_err().code, FailureCode::Finished);
        child.wait().unwrap();
        assert!(!alive(&process).unwrap());
        assert_eq!(start_time(pid).unwrap_err().code, FailureCode::Finished);
    }

    #[test]
    fn finds_children() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let own = rustix::process::getpid();
        let found = children(own).unwrap();
        assert!(!found.is_empty());
        let process = ProcessIdentity { pid: child.id() as i32, start_time_ticks: start_time(child.id() as i32).unwrap() };
        kill(&process, 9).unwrap();
        assert!(found.iter().any(|pidfd| wait_end(pidfd, Instant::now() + Duration::from_secs(5)).unwrap()));
        child.wait().unwrap();
    }

    #[test]
    fn refuses_numbers_that_are_not_pids() {
        for pid in [0, -1, i32::MIN] {
            let process = ProcessIdentity { pid, start_time_ticks: "1".into() };
            assert_eq!(kill(&process, 9).unwrap_err().code, FailureCode::BadRequest, "{pid}");
        }
        let process = ProcessIdentity { pid: 1, start_time_ticks: start_time(1).unwrap() };
        assert_eq!(kill(&process, 999).unwrap_err().cause, "EINVAL (invalid argument)");
    }
}
