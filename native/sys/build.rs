//! Compiles libseccomp from the sources that scripts/libseccomp fetched, for whatever target this crate is built for.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "libseccomp")]
    libseccomp::compile()?;
    Ok(())
}

#[cfg(feature = "libseccomp")]
mod libseccomp {
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    /// What libseccomp's configure script would find on Linux.
    const CONFIGURATION: &str = "#define HAVE_LINUX_SECCOMP_H 1\n";

    /// Not part of the library: it prints the system calls of an architecture.
    const TOOL: &str = "arch-syscall-dump.c";

    /// Debian's paths of the kernel headers, which musl does not include.
    const KERNEL_HEADERS: [&str; 2] = ["/usr/include/x86_64-linux-gnu", "/usr/include"];

    pub fn compile() -> Result<(), Box<dyn Error>> {
        let library = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../build/libseccomp");
        println!("cargo:rerun-if-changed={}", library.display());
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::write(out.join("configure.h"), CONFIGURATION)?;
        let mut build = cc::Build::new();
        build.include(&out).include(library.join("include")).include(library.join("src"));
        for folder in KERNEL_HEADERS {
            build.flag("-idirafter").flag(folder);
        }
        // No unwinding through C code, so no unwind tables.
        build.flag("-fno-asynchronous-unwind-tables");
        build.files(sources(&library.join("src"))?).warnings(false).compile("seccomp");
        Ok(())
    }

    fn sources(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        let entries = fs::read_dir(folder).map_err(|error| format!("read {folder:?}: {error}; run ./scripts/libseccomp"))?;
        let mut sources = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "c") && !path.ends_with(TOOL) {
                sources.push(path);
            }
        }
        sources.sort();
        Ok(sources)
    }
}
