//! An event loop over epoll(7): waits for descriptors, process exits (pidfds) and timers. Used by loops that run as long as a container; to wait
//! for a single thing, `tsrunc_common::wait` needs three fewer system calls.
//!
//! - Level-triggered: a source that is still ready is reported again, so a handler may leave data unread.
//! - `next` returns one event at a time. Once a source is removed, even by the handler of another event of the same batch, it is not reported any
//!   more: keys are unique, so a reused slot causes no confusion.
//! - After the first round handling an event allocates nothing.
//! - A source with `Interest::NONE` is not reported at all, not even for a hang-up.

mod copier;
mod descriptor;
mod timers;

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::Timespec;
use rustix::io::Errno;
use tsrunc_common::wait;

pub use copier::{Copier, Pulled};
pub use descriptor::Descriptor;
use timers::Timers;

/// Events fetched per system call.
const BATCH: usize = 64;
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Identifies a source of a reactor. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    fn from_u64(number: u64) -> Key {
        Key { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

/// The events to wait for on a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
    /// A change of a kernel file that supports notification, such as cgroup and pressure files (EPOLLPRI).
    pub change: bool,
}

impl Interest {
    pub const NONE: Interest = Interest { read: false, write: false, change: false };
    pub const READ: Interest = Interest { read: true, ..Interest::NONE };
    pub const CHANGE: Interest = Interest { change: true, ..Interest::NONE };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags.set(EventFlags::PRI, self.change);
        flags
    }
}

/// A source is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<T> {
    pub key: Key,
    /// The token that the source was added with.
    pub token: T,
}

struct Watched<'fd, T> {
    fd: Descriptor<'fd>,
    token: T,
    interest: Interest,
    /// Removed after its first event.
    once: bool,
    /// False if epoll(7) rejects it because it is always ready: files, directories, /dev/null.
    can_wait: bool,
}

enum Source<'fd, T> {
    Descriptor(Watched<'fd, T>),
    Timer(T),
}

struct Slot<'fd, T> {
    generation: u32,
    source: Option<Source<'fd, T>>,
}

/// The event loop. `T` is a token that the caller gives each source, to recognize its events by.
pub struct Reactor<'fd, T> {
    epoll: OwnedFd,
    slots: Vec<Slot<'fd, T>>,
    free: Vec<u32>,
    timers: Timers,
    /// Those that epoll(7) rejects.
    always_ready: Vec<Key>,
    /// The events of this round; those before `position` have been returned.
    ready: Vec<Key>,
    position: usize,
}

impl<'fd, T: Copy> Reactor<'fd, T> {
    /// # Errors
    /// The errno of epoll_create1(2).
    pub fn new() -> Result<Self, Errno> {
        Ok(Reactor {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            slots: Vec::new(),
            free: Vec::new(),
            timers: Timers::default(),
            always_ready: Vec::new(),
            ready: Vec::with_capacity(BATCH),
            position: 0,
        })
    }

    /// Reports the events of a descriptor that `interest` names, until it is removed.
    ///
    /// # Errors
    /// The errno of epoll_ctl(2).
    pub fn watch(&mut self, fd: impl Into<Descriptor<'fd>>, interest: Interest, token: T) -> Result<Key, Errno> {
        self.add(Watched { fd: fd.into(), token, interest, once: false, can_wait: true })
    }

    /// Reports once that the process of a pidfd has exited. Does not reap it.
    ///
    /// # Errors
    /// The errno of epoll_ctl(2).
    pub fn watch_exit(&mut self, pidfd: impl Into<Descriptor<'fd>>, token: T) -> Result<Key, Errno> {
        self.add(Watched { fd: pidfd.into(), token, interest: Interest::READ, once: true, can_wait: true })
    }

    /// Adds a timer, which is reported once, after `deadline`.
    pub fn at(&mut self, deadline: Instant, token: T) -> Key {
        let key = self.insert(Source::Timer(token));
        self.timers.add(deadline, key);
        key
    }

    /// Changes the interest in a descriptor; makes no system call if it is unchanged. Ignores keys that are not of a descriptor.
    ///
    /// # Errors
    /// The errno of epoll_ctl(2).
    pub fn set_interest(&mut self, key: Key, interest: Interest) -> Result<(), Errno> {
        let Some(Source::Descriptor(watched)) = source_mut(&mut self.slots, key) else { return Ok(()) };
        let before = std::mem::replace(&mut watched.interest, interest);
        if before == interest || !watched.can_wait {
            return Ok(());
        }
        if interest == Interest::NONE {
            // With no events set the kernel would still report errors and hang-ups.
            return epoll::delete(&self.epoll, &watched.fd);
        }
        self.register(key, before == Interest::NONE)
    }

    /// Passes a descriptor's interest to the kernel.
    fn register(&mut self, key: Key, is_new: bool) -> Result<(), Errno> {
        let Some(Source::Descriptor(watched)) = source_mut(&mut self.slots, key) else { return Ok(()) };
        let (data, flags) = (EventData::new_u64(key.to_u64()), watched.interest.flags());
        if !is_new {
            return epoll::modify(&self.epoll, &watched.fd, data, flags);
        }
        match epoll::add(&self.epoll, &watched.fd, data, flags) {
            Err(Errno::PERM) => {
                watched.can_wait = false;
                self.always_ready.push(key);
                Ok(())
            }
            result => result,
        }
    }

    /// Removes a source, with its events that have not been returned yet. Does nothing if it is already removed.
    pub fn remove(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation) else { return };
        let source = slot.source.take();
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        match source {
            Some(Source::Descriptor(Watched { can_wait: false, .. })) => self.always_ready.retain(|other| *other != key),
            Some(Source::Descriptor(watched)) if watched.interest != Interest::NONE => {
                // Cannot fail for a registered, open descriptor. If it did, events would come with a stale key and be skipped.
                if let Err(_not_registered) = epoll::delete(&self.epoll, &watched.fd) {}
            }
            Some(Source::Timer(_)) => self.timers.cancel(|key| has(&self.slots, key)),
            _ => {}
        }
    }

    /// Waits for the next event. None if there are no sources.
    ///
    /// # Errors
    /// The errno of epoll_wait(2), except EINTR.
    pub fn next(&mut self) -> Result<Option<Event<T>>, Errno> {
        loop {
            while let Some(key) = self.ready.get(self.position).copied() {
                self.position += 1;
                if let Some(token) = self.take_event(key) {
                    return Ok(Some(Event { key, token }));
                }
            }
            if self.free.len() == self.slots.len() {
                return Ok(None);
            }
            self.collect()?;
        }
    }

    /// The token of a ready source, unless it has been removed or its interest is gone.
    fn take_event(&mut self, key: Key) -> Option<T> {
        let (token, once) = match source_mut(&mut self.slots, key)? {
            Source::Descriptor(watched) if watched.interest == Interest::NONE => return None,
            Source::Descriptor(watched) => (watched.token, watched.once),
            Source::Timer(token) => (*token, true),
        };
        if once {
            self.remove(key);
        }
        Some(token)
    }

    /// One round: waits, unless something is ready already, and collects all events.
    fn collect(&mut self) -> Result<(), Errno> {
        let Reactor { epoll, slots, timers, always_ready, ready, position, .. } = self;
        ready.clear();
        *position = 0;
        let is_current = |key| has(slots, key);
        let is_wanted = |key: &&Key| matches!(source(slots, **key), Some(Source::Descriptor(watched)) if watched.interest != Interest::NONE);
        ready.extend(always_ready.iter().filter(is_wanted));
        let deadline = timers.earliest(is_current);
        let timeout = if ready.is_empty() { wait::time_left(deadline) } else { Some(NO_TIME) };
        let mut space = [MaybeUninit::uninit(); BATCH];
        match epoll::wait(&*epoll, &mut space[..], timeout.as_ref()) {
            Ok((batch, _)) => ready.extend(batch.iter().map(|event| Key::from_u64(event.data.u64()))),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if deadline.is_some() {
            let now = Instant::now();
            while let Some(key) = timers.pop_due(now, is_current) {
                ready.push(key);
            }
        }
        Ok(())
    }

    fn add(&mut self, watched: Watched<'fd, T>) -> Result<Key, Errno> {
        let is_wanted = watched.interest != Interest::NONE;
        let key = self.insert(Source::Descriptor(watched));
        if is_wanted {
            self.register(key, true).inspect_err(|_| self.remove(key))?;
        }
        Ok(key)
    }

    fn insert(&mut self, source: Source<'fd, T>) -> Key {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, source: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[number as usize];
        slot.source = Some(source);
        Key { slot: number, generation: slot.generation }
    }
}

fn source<'a, 'fd, T>(slots: &'a [Slot<'fd, T>], key: Key) -> Option<&'a Source<'fd, T>> {
    slots.get(key.slot as usize).filter(|slot| slot.generation == key.generation)?.source.as_ref()
}

fn source_mut<'a, 'fd, T>(slots: &'a mut [Slot<'fd, T>], key: Key) -> Option<&'a mut Source<'fd, T>> {
    slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)?.source.as_mut()
}

fn has<T>(slots: &[Slot<'_, T>], key: Key) -> bool {
    source(slots, key).is_some()
}
