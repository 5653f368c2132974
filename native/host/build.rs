//! Embeds the init's executable (environment TSRUNC_INIT, set by .cargo/config.toml to build/tsrunc-init).

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=TSRUNC_INIT");
    let init = PathBuf::from(env::var("TSRUNC_INIT").expect("TSRUNC_INIT names the init's executable"));
    println!("cargo::rerun-if-changed={}", init.display());
    let target = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("init");
    if let Err(error) = fs::copy(&init, &target) {
        panic!("copy {}: {error}; make it with ./scripts/build init", init.display());
    }
}
