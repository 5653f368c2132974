//! Waits for many sources at once: descriptors, ends of processes (pidfds), moments in time. For loops that live with a container; a step that
//! waits for one thing takes `tsrunc_common::wait`, which is three system calls cheaper.
//!
//! - Level-triggered: what was not dealt with is reported again, so a handler may stop half-way through what there is to read.
//! - `next` hands out one event at a time. A source that is removed meanwhile, by the handler of another one, is reported no more, even if the
//!   kernel had already reported it and its slot has a new owner by now: keys are never used twice.
//! - After the first round nothing is allocated for an event.
//! - A source without interest is not reported at all, not even when its peer is gone.

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

/// Events that the kernel hands over in one system call.
const BATCH: usize = 64;
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What a source of a reactor is called by: never used twice.
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

/// What to wait for at a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
    /// A change of a kernel file that tells of it, as those of cgroups and of pressure do (EPOLLPRI).
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

/// A source that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<T> {
    pub key: Key,
    /// As the source was given when it was added.
    pub token: T,
}

struct Watched<'fd, T> {
    fd: Descriptor<'fd>,
    token: T,
    interest: Interest,
    /// Removed with its first event.
    once: bool,
    /// False for what epoll(7) refuses because it is always ready: files, directories, /dev/null.
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

/// The sources, and which of them are known to be ready. `T` tells whoever handles an event which source it is of.
pub struct Reactor<'fd, T> {
    epoll: OwnedFd,
    slots: Vec<Slot<'fd, T>>,
    free: Vec<u32>,
    timers: Timers,
    /// Those that epoll(7) refused.
    always_ready: Vec<Key>,
    /// This round's events, handed out up to `position`.
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

    /// Reports when the descriptor is as `interest` says, until it is removed.
    ///
    /// # Errors
    /// The errno of epoll_ctl(2).
    pub fn watch(&mut self, fd: impl Into<Descriptor<'fd>>, interest: Interest, token: T) -> Result<Key, Errno> {
        self.add(Watched { fd: fd.into(), token, interest, once: false, can_wait: true })
    }

    /// Reports once that the process of a pidfd has ended. It is not reaped.
    ///
    /// # Errors
    /// As of `watch`.
    pub fn watch_exit(&mut self, pidfd: impl Into<Descriptor<'fd>>, token: T) -> Result<Key, Errno> {
        self.add(Watched { fd: pidfd.into(), token, interest: Interest::READ, once: true, can_wait: true })
    }

    /// Reports once that the moment has come.
    pub fn at(&mut self, deadline: Instant, token: T) -> Key {
        let key = self.insert(Source::Timer(token));
        self.timers.add(deadline, key);
        key
    }

    /// Changes what to wait for at a descriptor; no system call where that is the same. A key of no descriptor is passed over.
    ///
    /// # Errors
    /// As of `watch`.
    pub fn set_interest(&mut self, key: Key, interest: Interest) -> Result<(), Errno> {
        let Some(Source::Descriptor(watched)) = source_mut(&mut self.slots, key) else { return Ok(()) };
        let before = std::mem::replace(&mut watched.interest, interest);
        if before == interest || !watched.can_wait {
            return Ok(());
        }
        if interest == Interest::NONE {
            // The kernel would go on to report errors and hang-ups.
            return epoll::delete(&self.epoll, &watched.fd);
        }
        self.register(key, before == Interest::NONE)
    }

    /// Has the kernel report what a descriptor's interest says.
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

    /// Takes a source out; of one that is gone already nothing happens. What was reported of it and not handed out is forgotten.
    pub fn remove(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation) else { return };
        let source = slot.source.take();
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        match source {
            Some(Source::Descriptor(Watched { can_wait: false, .. })) => self.always_ready.retain(|other| *other != key),
            Some(Source::Descriptor(watched)) if watched.interest != Interest::NONE => {
                // It is there, and the descriptor is open; an error would leave a key that is passed over.
                if let Err(_none) = epoll::delete(&self.epoll, &watched.fd) {}
            }
            Some(Source::Timer(_)) => self.timers.cancel(|key| has(&self.slots, key)),
            _ => {}
        }
    }

    /// Waits for the next event. None when no source is left.
    ///
    /// # Errors
    /// The errno of epoll_wait(2); a signal that was caught is none.
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

    /// The token of a source that is ready, if it is still there and still wanted.
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

    /// A round: waits, unless something is ready, and collects what is.
    fn collect(&mut self) -> Result<(), Errno> {
        let Reactor { epoll, slots, timers, always_ready, ready, position, .. } = self;
        ready.clear();
        *position = 0;
        let is_current = |key| has(slots, key);
        let is_wanted = |key: &&Key| matches!(source(slots, **key), Some(Source::Descriptor(watched)) if watched.interest != Interest::NONE);
        ready.extend(always_ready.iter().filter(is_wanted));
        let deadline = timers.soonest(is_current);
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
