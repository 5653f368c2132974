//! Talks to systemd over D-Bus (org.freedesktop.systemd1(5)), which manages the cgroups of containers as units.

mod bus;
mod change;
mod facts;
#[cfg(test)]
mod fake;
mod unit;
mod value;

pub use change::{change, PreviousProperties};
pub use facts::{facts, Wanted};
pub use unit::{start, stop};
