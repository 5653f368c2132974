//! `tsrunc-compile SCRIPT BYTECODE`: compiles the core to bytecode. It is a separate program, so that the one for users contains no compiler.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tsrunc_sys::engine::Bytecode;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [script, bytecode] = arguments.as_slice() else {
        eprintln!("usage: tsrunc-compile SCRIPT BYTECODE");
        return ExitCode::from(2);
    };
    match compile(script, bytecode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compile {script:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compile(script: &Path, bytecode: &Path) -> Result<(), Box<dyn Error>> {
    let compiled = Bytecode::compile(c"core.js", &std::fs::read_to_string(script)?)?;
    Ok(std::fs::write(bytecode, compiled.as_bytes())?)
}
