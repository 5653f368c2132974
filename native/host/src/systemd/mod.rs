//! The service manager systemd, over D-Bus (org.freedesktop.systemd1(5)): units that are the cgroups of containers.

mod bus;
#[cfg(test)]
mod fake;
mod unit;
mod value;

pub use unit::{facts, start, stop};
