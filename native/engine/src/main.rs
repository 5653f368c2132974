//! The static host: runs the TypeScript core in QuickJS and calls the native layer directly. Executed as `tsrunc-init`, the same file is a container's
//! init.
//!
//! Cargo builds a program with an empty image (native/sys/src/image.rs), which can only fill it: `tsrunc PROGRAM CORE [PART...]` starts the engine,
//! evaluates the core and writes the program that users run (scripts/build).

mod core;
mod native;
mod stdio;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tsrunc_sys::{engine::Bytecode, errno::os_failure, heap::Heap, image, process, signals};

use crate::core::Engine;

#[global_allocator]
static HEAP: Heap = Heap::new();

fn main() {
    let status = if std::env::args_os().next().is_some_and(|name| name.as_bytes() == b"tsrunc-init") {
        tsrunc_init::main(std::env::args_os())
    } else {
        // SAFETY: every image is made by `fill` below, with an `Engine`.
        #[allow(unsafe_code)]
        match unsafe { image::load::<Engine>() } {
            Some(engine) => run(engine),
            None => fill(&std::env::args_os().skip(1).collect::<Vec<_>>()),
        }
    };
    // Exit without freeing memory: the kernel does it faster.
    std::process::exit(status);
}

fn run(engine: &'static Engine) -> i32 {
    // Hooks and helpers must not inherit the caller's descriptors. Those that a container keeps are passed by number.
    if let Err(errno) = process::close_on_exec_from_3() {
        stdio::write(stdio::Stream::Error, &format!("{}\n", os_failure("mark descriptors close-on-exec".into(), errno)));
        return 1;
    }
    // So that a write beyond RLIMIT_FSIZE is an error that can be undone. The container's init resets all signals.
    signals::survive_file_size_limit();
    signals::reset_sigchld();
    engine.run()
}

fn fill(arguments: &[OsString]) -> i32 {
    let [program, core, parts @ ..] = arguments else {
        stdio::write(stdio::Stream::Error, "this program has no core yet: tsrunc PROGRAM CORE [PART...] writes one that has\n");
        return 1;
    };
    match write_program(Path::new(program), Path::new(core), parts) {
        Ok(()) => 0,
        Err(error) => {
            stdio::write(stdio::Stream::Error, &format!("write {program:?}: {error}\n"));
            1
        }
    }
}

fn write_program(program: &Path, core: &Path, parts: &[OsString]) -> Result<(), Box<dyn Error>> {
    let core = read(core)?;
    let statics = image::Statics::record()?;
    HEAP.enter_image();
    // The parts come first, outside of the hot range, because most commands do not need them.
    let parts = parts.iter().map(|part| Ok((name_of(part)?, read(Path::new(part))?))).collect::<Result<_, Box<dyn Error>>>()?;
    let hot_start = HEAP.forget_freed();
    let engine = Box::leak(Box::new(Engine::with_core(&core, parts)?));
    // SAFETY: the engine, and all that is reachable from it, was allocated in the image.
    #[allow(unsafe_code)]
    unsafe { image::write_program(engine, hot_start..HEAP.forget_freed(), &statics, HEAP.own_range(), program) }?;
    Ok(())
}

fn read(bytecode: &Path) -> std::io::Result<Bytecode> {
    // SAFETY: scripts/build made it with tsrunc-compile.
    #[allow(unsafe_code)]
    Ok(unsafe { Bytecode::from_bytes(std::fs::read(bytecode)?) })
}

fn name_of(part: &OsStr) -> Result<String, Box<dyn Error>> {
    let name = Path::new(part).file_stem().and_then(OsStr::to_str).ok_or_else(|| format!("the name of {part:?} is not UTF-8"))?;
    Ok(name.to_owned())
}
