//! Files of the host: configuration, logs, pid files.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// Writes all of `bytes`.
pub fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(file, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The text of a regular file of at most `max_bytes`. Does not block on a FIFO.
///
/// # Errors
/// `TooLarge`, `NotUtf8` with the byte's offset, or the errno.
pub fn read_text(path: &str, max_bytes: u32) -> Result<String, Failure> {
    let during = || format!("read {path:?}");
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).during(|| format!("open {path:?}"))?;
    let stat = rustix::fs::fstat(&file).during(during)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR).during(during),
        _ => return Err(Failure::new(FailureCode::Other, during(), "not a regular file")),
    }
    let too_large = |bytes: u64| Failure::new(FailureCode::TooLarge, during(), format!("it holds {bytes} bytes, at most {max_bytes} are read"));
    if stat.st_size as u64 > max_bytes.into() {
        return Err(too_large(stat.st_size as u64));
    }
    let mut bytes = Vec::with_capacity(stat.st_size as usize + 1);
    use std::io::Read;
    std::fs::File::from(file).take(u64::from(max_bytes) + 1).read_to_end(&mut bytes).during(during)?;
    if bytes.len() as u64 > max_bytes.into() {
        return Err(too_large(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::new(FailureCode::NotUtf8, during(), format!("byte {offset} is not UTF-8"))
    })
}

/// Makes a file that must not exist yet.
pub fn create(path: &str, text: &str, mode: u32) -> Result<(), Failure> {
    let during = || format!("create {path:?}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).during(during)?;
    write_all(&file, text.as_bytes()).during(during)
}

/// Appends to a file, made with mode 0644 when missing.
pub fn append(path: &str, text: &str) -> Result<(), Failure> {
    let during = || format!("append to {path:?}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).during(during)?;
    write_all(&file, text.as_bytes()).during(during)
}

/// Writes a pid file beside its place and renames it: a reader finds nothing or the whole pid.
pub fn write_pid_file(path: &str, pid: i32) -> Result<(), Failure> {
    let during = || format!("write pid file {path:?}");
    let (directory, name) = path.rsplit_once('/').map_or(("", path), |(directory, name)| (directory, name));
    let temporary = if path.contains('/') { format!("{directory}/.{name}") } else { format!(".{name}") };
    match rustix::fs::unlink(temporary.as_str()) {
        Ok(()) | Err(Errno::NOENT) => {} // left by a killed process
        Err(errno) => return Err(errno).during(during),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(temporary.as_str(), flags, Mode::from_raw_mode(0o644)).during(during)?;
    write_all(&file, pid.to_string().as_bytes()).during(during)?;
    rustix::fs::rename(temporary.as_str(), path).during(during)
}

/// The absolute path of a directory, links resolved.
pub fn resolve_directory(path: &str) -> Result<String, Failure> {
    let during = || format!("resolve directory {path:?}");
    let resolved = std::fs::canonicalize(path).during(during)?;
    if !resolved.is_dir() {
        return Err(Errno::NOTDIR).during(during);
    }
    text(resolved, during)
}

/// The absolute path, links kept.
pub fn absolute_path(path: &str) -> Result<String, Failure> {
    let during = || format!("make {path:?} absolute");
    text(std::path::absolute(path).during(during)?, during)
}

fn text(path: std::path::PathBuf, during: impl FnOnce() -> String) -> Result<String, Failure> {
    path.into_os_string().into_string().map_err(|_| Failure::new(FailureCode::NotUtf8, during(), "a path that is not UTF-8"))
}

/// Names in a directory, sorted.
pub fn list(path: &str) -> Result<Vec<String>, Failure> {
    let during = || format!("list directory {path:?}");
    let directory = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    crate::store::names(&directory).during(during)
}

/// Those of the paths that do not exist.
pub fn missing(paths: Vec<String>) -> Vec<String> {
    paths.into_iter().filter(|path| matches!(rustix::fs::lstat(path.as_str()), Err(Errno::NOENT))).collect()
}

/// What a path is, not followed at its end.
pub fn kind(path: &str) -> Result<&'static str, Failure> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok("missing"),
        result => result.during(|| format!("look at {path:?}"))?,
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => "directory",
        FileType::RegularFile => "file",
        FileType::Symlink => "symlink",
        FileType::Socket => "socket",
        _ => "other",
    })
}

/// The uid that owns a path.
pub fn owner(path: &str) -> Result<u32, Failure> {
    Ok(rustix::fs::lstat(path).during(|| format!("look at {path:?}"))?.st_uid)
}

/// The login name of a uid on this host, or its number.
pub fn user_name(uid: u32) -> String {
    let name = std::fs::read_to_string("/etc/passwd").ok().and_then(|passwd| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    });
    name.unwrap_or_else(|| uid.to_string())
}
