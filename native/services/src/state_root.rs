//! The state root, which has one directory per container, and reading from it. The root, the directories and the files are used only if nobody but
//! the caller and uid 0 can write to them (trust.rs). Directories above the root need no check: whoever can replace the state root would own the
//! replacement, which is not trusted then.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::drafts::{names, DIRECTORY};
use crate::files::read_opened_text;
use crate::trust::require_trusted;

/// The file with the record of a container.
pub const STATE: &str = "state.json";

/// Usually a few kilobytes, but annotations and hooks are copied from a config.json of at most this size.
const MAX_STATE_BYTES: u32 = 16 << 20;

/// Opens a state root.
///
/// # Errors
/// `NotFound`; it is not trusted.
pub fn open(root: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(root, flags, Mode::empty()).during(|| format!("open state root {root:?}"))?;
    require_trusted(&directory, || root.to_owned())?;
    Ok(directory)
}

/// Opens a state root; makes it if missing, with exactly this mode whatever the umask.
pub fn open_or_make(root: &str, mode: u32) -> Result<OwnedFd, Failure> {
    match open(root) {
        Err(failure) if failure.code == FailureCode::NotFound => {}
        result => return result,
    }
    let during = || format!("make state root {root:?}");
    let path = Path::new(root);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).during(during)?;
    }
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) => rustix::fs::chmod(path, Mode::from_raw_mode(mode)).during(during)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).during(during),
    }
    open(root)
}

/// The names in a state root, sorted.
///
/// # Errors
/// Those of `open`.
pub fn list(root: &str) -> Result<Vec<String>, Failure> {
    list_opened(&open(root)?, root)
}

/// As `list`, of an open state root with this path.
///
/// # Errors
/// The errno of getdents64(2).
pub fn list_opened(directory: &OwnedFd, root: &str) -> Result<Vec<String>, Failure> {
    let found = names(directory).during(|| format!("list state root {root:?}"))?;
    let mut names: Vec<String> = found.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Opens the directory of a container below an open state root.
///
/// # Errors
/// The errno of openat(2).
pub fn open_container(root: &OwnedFd, id: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(root, id, DIRECTORY, Mode::empty())
}

/// state.json of a container, without its lock. It is complete even if another process replaces it at the same time.
///
/// # Errors
/// `NotFound`, `NotUtf8`; root, directory or file is not trusted.
pub fn read_state(root: &str, id: &str) -> Result<String, Failure> {
    read_state_in(&open_trusted(root, id)?, &|| format!("{root}/{id}"))
}

/// Opens the directory of a container, without its lock.
///
/// # Errors
/// `NotFound`; root or directory is not trusted.
pub fn open_trusted(root: &str, id: &str) -> Result<OwnedFd, Failure> {
    check_id(id)?;
    let path = || format!("{root}/{id}");
    let directory = open_container(&open(root)?, id).during(|| format!("open state directory {:?}", path()))?;
    require_trusted(&directory, path)?;
    Ok(directory)
}

/// Reads state.json in an open, trusted directory. `path`: that of the directory.
pub fn read_state_in(directory: impl AsFd, path: &dyn Fn() -> String) -> Result<String, Failure> {
    read_state_file(directory, STATE, path)
}

/// Reads a file in an open, trusted directory.
pub fn read_state_file(directory: impl AsFd, name: &str, path: &dyn Fn() -> String) -> Result<String, Failure> {
    let path = || format!("{}/{name}", path());
    let during = || format!("read {:?}", path());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty()).during(during)?;
    require_trusted(&file, path)?;
    read_opened_text(file, MAX_STATE_BYTES, &during)
}

/// Refuses names that would lead out of the root, although the core has checked the id already.
pub fn check_id(id: &str) -> Result<(), Failure> {
    if id.is_empty() || id == "." || id == ".." || id.starts_with('#') || id.contains(['/', '\0']) {
        return Err(Failure::new(FailureCode::BadRequest, format!("use container id {id:?}"), "not a plain name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use rustix::fs::chmod;

    #[test]
    fn reads_only_what_nobody_else_can_write() {
        let temp = TempDir::new();
        let (root, directory) = (temp.path().to_owned(), format!("{}/c", temp.path()));
        let file = format!("{directory}/{STATE}");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(read_state(&root, "c").unwrap(), "{}");
        assert_eq!(list(&root).unwrap(), ["c"]);
        for path in [&root, &directory, &file] {
            let mode = rustix::fs::stat(path.as_str()).unwrap().st_mode & 0o7777;
            chmod(path.as_str(), Mode::from_raw_mode(mode | 0o002)).unwrap();
            assert!(read_state(&root, "c").unwrap_err().to_string().starts_with(&format!("trust {path:?}: others may write to it")));
            chmod(path.as_str(), Mode::from_raw_mode(mode)).unwrap();
        }
        chmod(root.as_str(), Mode::from_raw_mode(0o1777)).unwrap();
        assert!(list(&root).is_err() && open_or_make(&root, 0o700).is_err());
        chmod(root.as_str(), Mode::RWXU).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read_state(&root, "c").unwrap_err().code, FailureCode::NotFound);
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert_eq!(read_state(&root, "c").unwrap_err().errno.as_deref(), Some("ELOOP"));
        assert_eq!(read_state(&root, "..").unwrap_err().code, FailureCode::BadRequest);
        assert_eq!(list("/nowhere").unwrap_err().code, FailureCode::NotFound);
    }
}
