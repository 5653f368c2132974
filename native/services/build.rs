//! Copies the container's init, a separate program, to where this library embeds it from.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let init = PathBuf::from(env::var("TSRUNC_INIT")?);
    println!("cargo:rerun-if-env-changed=TSRUNC_INIT");
    println!("cargo:rerun-if-changed={}", init.display());
    let out = PathBuf::from(env::var("OUT_DIR")?).join("init");
    fs::copy(&init, &out).map_err(|error| format!("copy {init:?}: {error}; run ./scripts/build init"))?;
    Ok(())
}
