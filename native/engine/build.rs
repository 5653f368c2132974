//! Compiles the scripts that scripts/bundle.mjs wrote to bytecode and embeds them, each by its name.

use std::ffi::CString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use rquickjs::{CatchResultExt, Context, Runtime};
use tsrunc_sys::engine::compile;

fn main() -> Result<(), Box<dyn Error>> {
    let scripts = PathBuf::from(env::var("TSRUNC_SCRIPTS")?);
    println!("cargo:rerun-if-env-changed=TSRUNC_SCRIPTS");
    println!("cargo:rerun-if-changed={}", scripts.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut names = Vec::new();
    for entry in fs::read_dir(&scripts).map_err(|error| format!("read {scripts:?}: {error}; run ./scripts/build bundle"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            names.push(path.file_stem().and_then(|stem| stem.to_str()).ok_or("a script's name is not UTF-8")?.to_owned());
        }
    }
    names.sort();

    let mut table = String::from("match name {\n");
    for name in &names {
        let bytecode = out.join(format!("{name}.bytecode"));
        fs::write(&bytecode, bytecode_of(&scripts.join(format!("{name}.js")))?)?;
        writeln!(table, "    {name:?} => Some(include_bytes!({bytecode:?})),")?;
    }
    table.push_str("    _ => None,\n}\n");
    fs::write(out.join("scripts.rs"), table)?;
    Ok(())
}

fn bytecode_of(script: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let source = fs::read_to_string(script)?;
    let name = CString::new(script.file_name().ok_or("no file name")?.to_string_lossy().as_bytes())?;
    let runtime = Runtime::new()?;
    Context::full(&runtime)?.with(|ctx| compile(&ctx, &name, &source).catch(&ctx).map_err(|error| format!("compile {script:?}: {error}").into()))
}
