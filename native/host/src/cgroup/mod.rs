//! The container's cgroups on v1, hybrid and v2 (cgroups(7)).

mod device_filter;
mod make;
mod remove;

pub use make::{make, write_all, Joined};
pub use remove::{kill, remove, remove_empty, remove_made};
