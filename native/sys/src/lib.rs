//! System calls that rustix lacks or marks unsafe, and the other code that needs `unsafe`: it is allowed only in this crate and in the entry points of
//! `engine` and `ffi`.

pub mod bpf;
pub mod command;
#[cfg(feature = "engine")]
mod elf;
#[cfg(feature = "engine")]
pub mod engine;
pub mod errno;
#[cfg(feature = "engine")]
pub mod heap;
#[cfg(feature = "engine")]
pub mod image;
#[cfg(feature = "libseccomp")]
pub mod libseccomp;
pub mod locked_mount;
#[cfg(all(feature = "engine", target_arch = "x86_64", any(target_env = "musl", test)))]
pub mod memcpy;
pub mod namespaces;
pub mod network;
pub mod process;
mod raw;
pub mod schedule;
pub mod seccomp;
#[cfg(all(feature = "engine", target_env = "musl"))]
mod seeds;
pub mod signals;
pub mod spawn;
pub mod user_namespace;
