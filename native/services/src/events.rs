//! Waits on behalf of the core for events of several sources. The sources stay watched between requests, so that no event is missed.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{accessat, openat, Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_plan::request::EventSource;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::name;

use crate::interrupts::Interrupts;
use crate::processes;
use crate::reactor::{self, Descriptor, Interest, Reactor};

/// An event of the source with this index.
pub struct Event {
    pub source: u32,
    /// For a file that changed: its contents, None if it is gone. For an OOM source: how often memory ran out. Otherwise None.
    pub text: Option<String>,
}

/// The sources of a `watch`.
pub struct Events {
    reactor: Reactor<'static, usize>,
    sources: Vec<Source>,
}

enum Source {
    ProcessEnd,
    Interval { length: Duration, next: Instant },
    FileChange(Descriptor<'static>),
    OutOfMemory(OomCounter),
    OutputClosed,
}

impl Events {
    /// # Errors
    /// A source that cannot be watched.
    pub fn watch(sources: &[EventSource]) -> Result<Events, Failure> {
        let reactor = Reactor::new().during(|| "wait for events".into())?;
        let mut events = Events { reactor, sources: Vec::new() };
        for source in sources {
            let source = events.add(source)?;
            events.sources.push(source);
        }
        Ok(events)
    }

    fn add(&mut self, source: &EventSource) -> Result<Source, Failure> {
        let token = self.sources.len();
        match source {
            EventSource::ProcessEnd { process } => {
                self.watch_process(process, token)?;
                Ok(Source::ProcessEnd)
            }
            EventSource::Interval { milliseconds } => {
                let length = Duration::from_millis((*milliseconds).max(1));
                let next = Instant::now() + length;
                self.reactor.at(next, token);
                Ok(Source::Interval { length, next })
            }
            EventSource::FileChange { path } => {
                let during = || format!("watch {path:?}");
                let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
                read(&file).during(during)?; // from this read on the kernel reports changes
                let file = Descriptor::from(file);
                self.reactor.watch(file.clone(), Interest::CHANGE, token).during(during)?;
                Ok(Source::FileChange(file))
            }
            EventSource::OutOfMemory { cgroup } => {
                let during = || format!("watch the OOM killer in {cgroup:?}");
                let counter = OomCounter::of(cgroup).during(during)?;
                self.reactor.watch(counter.counter.clone(), Interest::READ, token).during(during)?;
                Ok(Source::OutOfMemory(counter))
            }
            EventSource::OutputClosed => {
                self.watch_output(token).during(|| "watch the standard output".into())?;
                Ok(Source::OutputClosed)
            }
        }
    }

    fn watch_process(&mut self, process: &ProcessIdentity, token: usize) -> Result<(), Failure> {
        match processes::open(process)? {
            Some(pidfd) => self.reactor.watch_exit(pidfd, token).map(drop).during(|| format!("wait for process {}", process.pid)),
            None => {
                self.reactor.at(Instant::now(), token); // it has already exited
                Ok(())
            }
        }
    }

    /// Watches for the reader of standard output to go away, if it is a pipe, a socket or a terminal.
    fn watch_output(&mut self, token: usize) -> Result<(), Errno> {
        let output = rustix::stdio::stdout();
        let has_reader = match FileType::from_raw_mode(rustix::fs::fstat(output)?.st_mode) {
            FileType::Fifo | FileType::Socket => true,
            FileType::CharacterDevice => rustix::termios::isatty(output),
            _ => false,
        };
        if has_reader {
            // None of these ever reports EPOLLPRI, so only EPOLLHUP and EPOLLERR are left, which epoll(7) always reports.
            self.reactor.watch(output, Interest::CHANGE, token)?;
        }
        Ok(())
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// `Finished` if no source is left; `Interrupted` by a signal that asks this process to end, if `interruptible`.
    pub fn next(&mut self, interruptible: bool) -> Result<Event, Failure> {
        let during = || "wait for events".to_owned();
        let event = if interruptible { self.interruptible()? } else { self.reactor.next().during(during)? };
        let event = event.ok_or_else(|| Failure::new(FailureCode::Finished, during(), "there is nothing to wait for"))?;
        let text = match &mut self.sources[event.token] {
            Source::ProcessEnd => None,
            Source::Interval { length, next } => {
                // Counted from the previous one, so that intervals do not drift; missed ones are skipped.
                *next = (*next + *length).max(Instant::now());
                self.reactor.at(*next, event.token);
                None
            }
            Source::FileChange(file) => {
                // Must be read, or the kernel reports the same change again.
                let text = match read(file) {
                    Ok(text) => Some(text),
                    Err(Errno::NODEV) => None, // its cgroup was removed
                    Err(errno) => return Err(errno).during(|| "read a file that changed".into()),
                };
                if text.is_none() {
                    self.reactor.remove(event.key);
                }
                text
            }
            Source::OutOfMemory(counter) => {
                let times = counter.take().during(|| "read the counter of an OOM killer".into())?;
                Some(times.to_string())
            }
            Source::OutputClosed => {
                self.reactor.remove(event.key);
                None
            }
        };
        Ok(Event { source: event.token as u32, text })
    }
}

/// The token of signals; those of sources are their indices.
const SIGNALS: usize = usize::MAX;

impl Events {
    /// Waits for an event of a source or a signal that asks this process to end. The signals are caught only during the wait: when the process
    /// blocks elsewhere, for example writing to a full pipe, they must end it.
    fn interruptible(&mut self) -> Result<Option<reactor::Event<usize>>, Failure> {
        let during = || "wait for events".to_owned();
        let Some(mut signals) = Interrupts::begin()?.map(Interrupts::into_caught) else { return self.reactor.next().during(during) };
        let key = self.reactor.watch(signals.fd(), Interest::READ, SIGNALS).during(during)?;
        let event = loop {
            let event = self.reactor.next();
            if let Some(signal) = signals.take_ending() {
                let cause = format!("interrupted by {}", name(signal));
                break Err(Failure { signal: Some(signal), ..Failure::new(FailureCode::Interrupted, during(), cause) });
            }
            if !matches!(event, Ok(Some(reactor::Event { token: SIGNALS, .. }))) {
                break event.during(during);
            }
        };
        self.reactor.remove(key);
        event
    }
}

/// More than any cgroup file with change notification contains.
const FILE_BYTES: usize = 4096;

fn read(file: impl AsFd) -> Result<String, Errno> {
    let mut bytes = [0; FILE_BYTES];
    let count = rustix::io::retry_on_intr(|| rustix::io::pread(&file, &mut bytes, 0))?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

/// Counts how often memory ran out in a cgroup of v1 (cgroup-v1/memory.rst, "OOM Control").
struct OomCounter {
    /// An eventfd. The kernel also counts the removal of the cgroup.
    counter: Descriptor<'static>,
    cgroup: OwnedFd,
}

/// A file that every cgroup of v1 with event notification has.
const EVENT_CONTROL: &str = "cgroup.event_control";

impl OomCounter {
    fn of(cgroup: &str) -> Result<OomCounter, Errno> {
        let cgroup = rustix::fs::open(cgroup, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let open = |name, flags| openat(&cgroup, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let control = open("memory.oom_control", OFlags::RDONLY)?;
        let registration = open(EVENT_CONTROL, OFlags::WRONLY)?;
        rustix::io::write(registration, format!("{} {}", counter.as_raw_fd(), control.as_raw_fd()).as_bytes())?;
        Ok(OomCounter { counter: counter.into(), cgroup })
    }

    /// How often memory ran out since the last call.
    fn take(&self) -> Result<u64, Errno> {
        let mut count = [0; 8];
        rustix::io::read(&self.counter, &mut count)?;
        let count = u64::from_ne_bytes(count);
        match accessat(&self.cgroup, EVENT_CONTROL, Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Ok(count),
            Err(Errno::NOENT | Errno::NODEV) => Ok(count.saturating_sub(1)),
            Err(errno) => Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(pid: u32) -> ProcessIdentity {
        ProcessIdentity { pid: pid as i32, start_time_ticks: processes::start_time(pid as i32).unwrap() }
    }

    #[test]
    fn reports_intervals_and_then_the_end_of_the_process() {
        let mut child = std::process::Command::new("sleep").arg("0.1").spawn().unwrap();
        let process = identity(child.id());
        let begun = Instant::now();
        let mut events = Events::watch(&[EventSource::Interval { milliseconds: 20 }, EventSource::ProcessEnd { process }]).unwrap();
        let mut intervals = 0;
        while events.next(false).unwrap().source == 0 {
            intervals += 1;
            assert!(begun.elapsed() >= Duration::from_millis(20) * intervals);
        }
        assert!(intervals >= 1 && begun.elapsed() >= Duration::from_millis(90));
        child.wait().unwrap();
        assert_eq!(events.next(false).unwrap().source, 0);
    }

    #[test]
    fn an_ended_process_is_reported_at_once_and_then_no_source_is_left() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = identity(child.id());
        child.wait().unwrap();
        let mut events = Events::watch(&[EventSource::ProcessEnd { process }]).unwrap();
        assert_eq!(events.next(false).unwrap().source, 0);
        assert_eq!(events.next(false).err().unwrap().code, FailureCode::Finished);
    }

    /// A new cgroup in the first of these hierarchies that exists. None if this user may not make one; with TSRUNC_MUST_WORK that is a failure.
    fn new_cgroup(mounts: &[&str], file: &str) -> Option<String> {
        let path =
            mounts.iter().find(|mount| std::fs::exists(format!("{mount}/{file}")).unwrap()).map(|mount| format!("{mount}/tsrunc-{}", std::process::id()));
        match path.map(|path| std::fs::create_dir(&path).map(|()| path)) {
            Some(Ok(path)) => Some(path),
            failed if std::env::var_os("TSRUNC_MUST_WORK").is_some() => panic!("{failed:?}"),
            _ => None,
        }
    }

    #[test]
    fn a_changed_file_is_reported_with_its_contents_and_a_removed_one_without() {
        let Some(path) = new_cgroup(&["/sys/fs/cgroup/unified", "/sys/fs/cgroup"], "cgroup.procs") else { return };
        let enter = format!("echo $$ > {path}/cgroup.procs");
        let mut child = std::process::Command::new("sh").args(["-c", &format!("{enter}; read -r line")]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let watched = [EventSource::FileChange { path: format!("{path}/cgroup.events") }, EventSource::Interval { milliseconds: 1000 }];
        let mut events = Events::watch(&watched).unwrap();
        let populated = |events: &mut Events, expected: &str| {
            // Other changes may be reported before.
            while !events.next(false).map(|event| event.text.expect("it came in time")).unwrap().contains(expected) {}
        };
        if !std::fs::read_to_string(format!("{path}/cgroup.events")).unwrap().contains("populated 1") {
            populated(&mut events, "populated 1");
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        populated(&mut events, "populated 0");
        std::fs::remove_dir(&path).unwrap();
        let gone = events.next(false).unwrap();
        assert_eq!((gone.source, gone.text), (0, None));
        assert_eq!(events.next(false).unwrap().source, 1);
    }

    #[test]
    fn the_removal_of_a_v1_cgroup_is_reported_as_no_oom() {
        let Some(path) = new_cgroup(&["/sys/fs/cgroup/memory"], "memory.oom_control") else { return };
        let mut events = Events::watch(&[EventSource::OutOfMemory { cgroup: path.clone() }, EventSource::Interval { milliseconds: 1000 }]).unwrap();
        std::fs::remove_dir(&path).unwrap();
        let removal = events.next(false).unwrap();
        assert_eq!((removal.source, removal.text.as_deref()), (0, Some("0")), "memory did not run out");
        assert_eq!(events.next(false).unwrap().source, 1);
    }
}
