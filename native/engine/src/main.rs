//! The static host: the TypeScript core as bytecode in QuickJS, with the native layer called directly. Under the name
//! `tsrunc-init` the same file is the init of a container.

mod core;
mod native;
mod stdio;

use std::os::unix::ffi::OsStrExt;

#[global_allocator]
static HEAP: tsrunc_sys::heap::Heap = tsrunc_sys::heap::Heap::new();

fn main() {
    let mut arguments = std::env::args_os();
    let status = if arguments.next().is_some_and(|name| name.as_bytes() == b"tsrunc-init") {
        match arguments.next().and_then(|socket| socket.to_str()?.parse().ok()) {
            Some(socket) => tsrunc_init::gate::run(socket),
            None => 255,
        }
    } else {
        // Hooks and helpers get none of the caller's descriptors; what a container keeps is named by number.
        if let Err(errno) = tsrunc_sys::process::close_on_exec_from_3() {
            stdio::write(stdio::Stream::Error, &format!("internal error: mark descriptors close-on-exec: {errno}\n"));
            std::process::exit(1);
        }
        core::run()
    };
    // Ends without freeing: the kernel is faster at it.
    std::process::exit(status);
}
