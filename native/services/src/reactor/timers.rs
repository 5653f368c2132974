//! The timers of a reactor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::Key;

/// A heap of timers, earliest first. Cancelled timers are removed lazily, but at most half of the heap is cancelled ones.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    cancelled: usize,
}

impl Timers {
    pub fn add(&mut self, deadline: Instant, key: Key) {
        self.heap.push(Reverse((deadline, key.to_u64())));
    }

    /// Records that a timer was cancelled; `is_current` is false for cancelled ones.
    pub fn cancel(&mut self, is_current: impl Fn(Key) -> bool) {
        self.cancelled += 1;
        if self.cancelled * 2 > self.heap.len() {
            self.heap.retain(|Reverse((_, key))| is_current(Key::from_u64(*key)));
            self.cancelled = 0;
        }
    }

    /// The earliest deadline of a timer that is not cancelled.
    pub fn earliest(&mut self, is_current: impl Fn(Key) -> bool) -> Option<Instant> {
        while let Some(Reverse((deadline, key))) = self.heap.peek() {
            if is_current(Key::from_u64(*key)) {
                return Some(*deadline);
            }
            self.heap.pop();
            self.cancelled = self.cancelled.saturating_sub(1); // saturating: a due timer may be cancelled after it left the heap
        }
        None
    }

    /// Removes and returns a timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant, is_current: impl Fn(Key) -> bool) -> Option<Key> {
        self.earliest(is_current).filter(|deadline| *deadline <= now)?;
        self.heap.pop().map(|Reverse((_, key))| Key::from_u64(key))
    }

    /// The number of timers in the heap, including cancelled ones.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.heap.len()
    }
}
