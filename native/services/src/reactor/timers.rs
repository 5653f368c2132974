//! The moments that a reactor waits for, soonest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::Key;

/// Forgets cancelled timers lazily, but never keeps more of them than of others.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    cancelled: usize,
}

impl Timers {
    pub fn add(&mut self, deadline: Instant, key: Key) {
        self.heap.push(Reverse((deadline, key.to_u64())));
    }

    /// A timer that was added was cancelled; `is_current` tells of those left.
    pub fn cancel(&mut self, is_current: impl Fn(Key) -> bool) {
        self.cancelled += 1;
        if self.cancelled * 2 > self.heap.len() {
            self.heap.retain(|Reverse((_, key))| is_current(Key::from_u64(*key)));
            self.cancelled = 0;
        }
    }

    /// The soonest deadline of a timer that is not cancelled.
    pub fn soonest(&mut self, is_current: impl Fn(Key) -> bool) -> Option<Instant> {
        while let Some(Reverse((deadline, key))) = self.heap.peek() {
            if is_current(Key::from_u64(*key)) {
                return Some(*deadline);
            }
            self.heap.pop();
            self.cancelled = self.cancelled.saturating_sub(1); // one that was due and not handed out yet counts, but is not here
        }
        None
    }

    /// Takes a timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant, is_current: impl Fn(Key) -> bool) -> Option<Key> {
        self.soonest(is_current).filter(|deadline| *deadline <= now)?;
        self.heap.pop().map(|Reverse((_, key))| Key::from_u64(key))
    }

    /// How many are kept, cancelled ones too.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.heap.len()
    }
}
