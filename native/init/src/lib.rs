//! The container's init: the code between the clone and the user's program. It is a small static program of its own, executed from a copy or
//! an overlay, so that no process in the container can reach the runtime's own executable (CVE-2019-5736).

pub mod attach;
pub mod attributes;
mod change_mounts;
pub mod copy_up;
mod creator;
pub mod devices;
pub mod exec;
mod exec_namespaces;
pub mod file_system;
pub mod gate;
pub mod kernel_files;
pub mod launch;
mod legacy_mount;
pub mod masks;
pub mod mounts;
pub mod overlay;
pub mod own_mounts;
pub mod process;
pub mod root;
pub mod seccomp;
pub mod setup;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use tsrunc_sys::spawn::launcher::launch;

/// The program `tsrunc-init SOCKET`, which only the runtime executes. With two more arguments it is the launcher, which clones an init. Returns
/// the exit status of a failure.
pub fn main(arguments: impl Iterator<Item = OsString>) -> i32 {
    const BAD_ARGUMENTS: i32 = 255;
    let arguments: Vec<CString> = arguments.filter_map(|argument| CString::new(argument.into_vec()).ok()).collect();
    let [_, socket, rest @ ..] = arguments.as_slice() else { return BAD_ARGUMENTS };
    let Some(socket) = socket.to_str().ok().and_then(|number| number.parse().ok()) else { return BAD_ARGUMENTS };
    match rest {
        [] => gate::run(socket),
        [order, clock_offsets] => match launch(socket, &arguments[..2], &order.to_string_lossy(), clock_offsets) {
            Some(never) => match never {},
            None => BAD_ARGUMENTS,
        },
        _ => BAD_ARGUMENTS,
    }
}
