//! The service manager systemd, over D-Bus (org.freedesktop.systemd1(5)): units that are the cgroups of containers.

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
