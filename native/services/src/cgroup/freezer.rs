//! Freezes and thaws cgroups (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{openat, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_common::wait;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::members::processes;
use super::tree::{read_at, walk};
use crate::interrupts::{interrupted, Interrupt};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The file that freezes a cgroup, and the values it takes.
struct Freezer {
    file: &'static str,
    frozen: &'static str,
    thawed: &'static str,
}

const V1: Freezer = Freezer { file: "freezer.state", frozen: "FROZEN", thawed: "THAWED" };
const V2: Freezer = Freezer { file: "cgroup.freeze", frozen: "1", thawed: "0" };

impl Freezer {
    /// The freezer of a cgroup and its current value.
    fn of(directory: BorrowedFd<'_>) -> Result<Option<(&'static Freezer, String)>, Failure> {
        for freezer in [&V1, &V2] {
            if let Some(state) = read_at(directory, freezer.file)? {
                return Ok(Some((freezer, state.trim().to_owned())));
            }
        }
        Ok(None)
    }

    fn write(&self, directory: BorrowedFd<'_>, value: &str) -> Result<(), Errno> {
        let file = openat(directory, self.file, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, value.as_bytes()).map(drop)
    }
}

/// Whether a cgroup of the v1 freezer or of v2 is frozen or about to be. An absent one is not.
pub fn frozen(path: &str) -> Result<bool, Failure> {
    for freezer in [&V1, &V2] {
        if let Some(state) = read_at(rustix::fs::CWD, &format!("{path}/{}", freezer.file))? {
            return Ok(state.trim() != freezer.thawed);
        }
    }
    Ok(false)
}

/// Freezes a cgroup with everything below it and waits until it is frozen.
///
/// # Errors
/// The caller is in the cgroup; it is not frozen within `timeout`; `Interrupted`. The cgroup is thawed again.
pub fn freeze(path: &str, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Failure> {
    let during = || format!("freeze cgroup {path:?}");
    let (directory, freezer) = open(path, during)?;
    if processes(Path::new(path))?.contains(&(std::process::id() as i32)) {
        return Err(Failure::new(FailureCode::Other, during(), "the caller is in it itself"));
    }
    let wait = Wait { deadline: Instant::now() + timeout, interrupt };
    let frozen = if freezer.file == V1.file { freeze_v1(directory.as_fd(), &wait) } else { freeze_v2(directory.as_fd(), &wait) };
    let failure = match frozen {
        Ok(End::Frozen) => return Ok(()),
        Ok(End::TimedOut) => {
            Failure::new(FailureCode::Other, during(), format!("it is not frozen after {} seconds: a process in it cannot be stopped", timeout.as_secs()))
        }
        Ok(End::Interrupted) => interrupted(during()),
        Err(errno) => Err::<(), _>(errno).during(during).unwrap_err(),
    };
    match freezer.write(directory.as_fd(), freezer.thawed) {
        Ok(()) | Err(Errno::NOENT | Errno::NODEV) => Err(failure),
        Err(errno) => Err(Failure { cause: format!("{}; thawing it again failed too: {errno}", failure.cause), ..failure }),
    }
}

/// Thaws a cgroup.
///
/// # Errors
/// An ancestor is frozen, which keeps this cgroup frozen; nothing is changed.
pub fn thaw(path: &str) -> Result<(), Failure> {
    let during = || format!("thaw cgroup {path:?}");
    let (directory, freezer) = open(path, during)?;
    if let Some(ancestor) = frozen_ancestor(&directory, path, freezer)? {
        return Err(Failure::new(FailureCode::Other, during(), format!("{ancestor} is frozen")));
    }
    freezer.write(directory.as_fd(), freezer.thawed).during(during)
}

fn open(path: &str, during: impl Fn() -> String) -> Result<(OwnedFd, &'static Freezer), Failure> {
    let directory = rustix::fs::open(path, DIRECTORY, Mode::empty()).during(&during)?;
    match Freezer::of(directory.as_fd())? {
        Some((freezer, _)) => Ok((directory, freezer)),
        None => Err(Failure::new(FailureCode::Other, during(), "it cannot be frozen: it has neither \"freezer.state\" nor \"cgroup.freeze\" (Linux 5.2)")),
    }
}

/// The ancestor that keeps this cgroup frozen, as the subject of an error text.
fn frozen_ancestor(directory: &OwnedFd, path: &str, freezer: &Freezer) -> Result<Option<String>, Failure> {
    if freezer.file == V1.file {
        let is_frozen = read_at(directory.as_fd(), "freezer.parent_freezing")?.is_some_and(|parent| parent.trim() == "1");
        return Ok(is_frozen.then(|| "a cgroup above it".to_owned()));
    }
    // The hierarchy's root has no such file.
    for above in Path::new(path).ancestors().skip(1) {
        let directory = rustix::fs::open(above, DIRECTORY, Mode::empty()).during(|| format!("open cgroup {above:?}"))?;
        match read_at(directory.as_fd(), freezer.file)? {
            Some(state) if state.trim() == freezer.frozen => return Ok(Some(format!("the cgroup {above:?} above it"))),
            Some(_) => {}
            None => break,
        }
    }
    Ok(None)
}

/// How long to wait for a cgroup to freeze.
struct Wait<'a> {
    deadline: Instant,
    interrupt: Interrupt<'a>,
}

enum End {
    Frozen,
    TimedOut,
    Interrupted,
}

impl Wait<'_> {
    /// Waits for an event, for `latest` at most. Returns why to give up: the deadline has passed or a signal arrived.
    fn pause(&self, event: Option<PollFd<'_>>, latest: Option<Duration>) -> Result<Option<End>, Errno> {
        let now = Instant::now();
        if now >= self.deadline {
            return Ok(Some(End::TimedOut));
        }
        let signals = self.interrupt.map(|interrupt| PollFd::from_borrowed_fd(interrupt.fd(), PollFlags::IN));
        let mut watched: Vec<PollFd<'_>> = event.into_iter().chain(signals).collect();
        wait::any(&mut watched, Some(latest.map_or(self.deadline, |latest| self.deadline.min(now + latest))))?;
        Ok(self.interrupt.is_some_and(|interrupt| interrupt.asked_to_end()).then_some(End::Interrupted))
    }
}

/// v1 has no notification: the state changes to FROZEN only when it is read.
fn freeze_v1(directory: BorrowedFd<'_>, wait: &Wait<'_>) -> Result<End, Errno> {
    const SHORTEST_PAUSE: Duration = Duration::from_micros(20);
    const LONGEST_PAUSE: Duration = Duration::from_millis(1);
    /// Older kernels may miss a process that is cloned or moved into the cgroup while it freezes. Writing the state again freezes most of
    /// these, thawing the cgroup briefly the rest.
    const ROUNDS_UNTIL_THAW: u32 = 100;
    let mut pause = SHORTEST_PAUSE;
    for round in 1.. {
        V1.write(directory, V1.frozen)?;
        if state_v1(directory)? == V1.frozen {
            break;
        }
        if round % ROUNDS_UNTIL_THAW == 0 {
            V1.write(directory, V1.thawed)?;
        }
        if let Some(end) = wait.pause(None, Some(pause))? {
            return Ok(end);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(End::Frozen)
}

fn state_v1(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let file = openat(directory, V1.file, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    read_again(&file)
}

/// v2 notifies pollers of cgroup.events.
fn freeze_v2(directory: BorrowedFd<'_>, wait: &Wait<'_>) -> Result<End, Errno> {
    let events = openat(directory, "cgroup.events", OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    V2.write(directory, V2.frozen)?;
    while !read_again(&events)?.lines().any(|line| line == "frozen 1") {
        if let Some(end) = wait.pause(Some(PollFd::new(&events, PollFlags::PRI)), None)? {
            return Ok(end);
        }
    }
    Ok(End::Frozen)
}

/// Reads a small cgroup file from its start.
fn read_again(file: &OwnedFd) -> Result<String, Errno> {
    let mut text = [0u8; 256];
    let count = rustix::io::pread(file, &mut text, 0)?;
    Ok(String::from_utf8_lossy(&text[..count]).trim_end().to_owned())
}

/// The link count of a directory without subdirectories.
const NO_CHILDREN: u64 = 2;

/// Thaws a cgroup tree of the v1 freezer so that killed processes in it can exit; the container may have frozen child cgroups itself. Does
/// nothing on v2, where frozen processes can be killed.
pub fn thaw_killed(path: &Path) -> Result<(), Failure> {
    let during = || format!("open cgroup {path:?}");
    let directory = match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        result => result.during(during)?,
    };
    if rustix::fs::fstat(&directory).during(during)?.st_nlink as u64 == NO_CHILDREN {
        return thaw_at(directory.as_fd());
    }
    thaw_tree(path)
}

/// Thaws a cgroup of the v1 freezer and those below it.
pub fn thaw_tree(path: &Path) -> Result<(), Failure> {
    walk(path, &mut |cgroup| thaw_at(cgroup.directory))
}

fn thaw_at(directory: BorrowedFd<'_>) -> Result<(), Failure> {
    match read_at(directory, V1.file)? {
        Some(state) if state.trim() != V1.thawed => match V1.write(directory, V1.thawed) {
            Err(Errno::NOENT | Errno::NODEV) => Ok(()), // removed meanwhile
            result => result.during(|| format!("write {:?} to {:?} of a cgroup", V1.thawed, V1.file)),
        },
        _ => Ok(()),
    }
}

/// Whether a process in this cgroup would freeze at once because an ancestor is frozen. v1 shows that in the cgroup's own state, v2 only in
/// its events.
pub fn frozen_from_above(directory: BorrowedFd<'_>) -> Result<bool, Failure> {
    if let Some(state) = read_at(directory, "freezer.state")? {
        return Ok(state.trim() != "THAWED");
    }
    Ok(read_at(directory, "cgroup.events")?.is_some_and(|events| events.lines().any(|line| line == "frozen 1")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{directory_with as cgroup, TempDir};

    fn content(cgroup: &TempDir, file: &str) -> String {
        std::fs::read_to_string(format!("{}/{file}", cgroup.path())).unwrap()
    }

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn freezes_and_thaws_on_v1() {
        let cgroup = cgroup(&[("freezer.state", "THAWED\n"), ("freezer.parent_freezing", "0\n")]);
        freeze(cgroup.path(), SHORT, None).unwrap();
        assert_eq!(content(&cgroup, "freezer.state"), "FROZEN\n");
        assert!(frozen(cgroup.path()).unwrap());
        thaw(cgroup.path()).unwrap();
        assert_eq!(content(&cgroup, "freezer.state"), "THAWED\n");
        assert!(!frozen(cgroup.path()).unwrap());
    }

    #[test]
    fn freezes_and_thaws_on_v2() {
        let cgroup = cgroup(&[("cgroup.freeze", "0\n"), ("cgroup.events", "populated 1\nfrozen 1\n")]);
        freeze(cgroup.path(), SHORT, None).unwrap();
        assert_eq!(content(&cgroup, "cgroup.freeze"), "1\n");
        assert!(frozen(cgroup.path()).unwrap());
        thaw(cgroup.path()).unwrap();
        assert_eq!(content(&cgroup, "cgroup.freeze"), "0\n");
    }

    #[test]
    fn thaws_a_cgroup_that_does_not_freeze_in_time() {
        let cgroup = cgroup(&[("cgroup.freeze", "0\n"), ("cgroup.events", "populated 1\nfrozen 0\n")]);
        let failure = freeze(cgroup.path(), SHORT, None).unwrap_err();
        assert_eq!(failure.cause, "it is not frozen after 0 seconds: a process in it cannot be stopped");
        assert_eq!(content(&cgroup, "cgroup.freeze"), "0\n");
    }

    #[test]
    fn refuses_to_freeze_the_callers_own_cgroup() {
        let own = std::process::id().to_string();
        let cgroup = cgroup(&[("cgroup.freeze", "0\n"), ("cgroup.events", "frozen 1\n"), ("cgroup.procs", &own)]);
        assert_eq!(freeze(cgroup.path(), SHORT, None).unwrap_err().cause, "the caller is in it itself");
        assert_eq!(content(&cgroup, "cgroup.freeze"), "0\n");
    }

    #[test]
    fn refuses_to_thaw_below_a_frozen_cgroup() {
        let version1 = cgroup(&[("freezer.state", "FROZEN\n"), ("freezer.parent_freezing", "1\n")]);
        assert_eq!(thaw(version1.path()).unwrap_err().cause, "a cgroup above it is frozen");
        assert_eq!(content(&version1, "freezer.state"), "FROZEN\n");
        let above = cgroup(&[("cgroup.freeze", "1\n")]);
        let below = format!("{}/below", above.path());
        std::fs::create_dir(&below).unwrap();
        std::fs::write(format!("{below}/cgroup.freeze"), "1\n").unwrap();
        assert_eq!(thaw(&below).unwrap_err().cause, format!("the cgroup {:?} above it is frozen", above.path()));
        assert_eq!(std::fs::read_to_string(format!("{below}/cgroup.freeze")).unwrap(), "1\n");
    }

    #[test]
    fn refuses_a_cgroup_without_freezer() {
        let cgroup = cgroup(&[]);
        assert!(freeze(cgroup.path(), SHORT, None).unwrap_err().cause.starts_with("it cannot be frozen: "));
        assert_eq!(freeze("/no/such/cgroup", SHORT, None).unwrap_err().errno.as_deref(), Some("ENOENT"));
    }
}
