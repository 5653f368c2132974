//! The container's init: what runs between the clone and the user's program. A small static program of its own, executed
//! from a sealed memory file, so that nothing in the container can reach the runtime's own executable (CVE-2019-5736).

pub mod copy_up;
pub mod descriptors;
pub mod devices;
pub mod gate;
pub mod hooks;
pub mod kernel_files;
pub mod masks;
pub mod mountinfo;
pub mod mounts;
pub mod process;
pub mod protocol;
pub mod root;
pub mod schedule;
mod seccomp;
pub mod setup;
