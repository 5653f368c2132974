//! Reads and writes files of the host for the core.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, CWD};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// The text of a regular file of at most `max_bytes`. Never blocks on a FIFO or device.
///
/// # Errors
/// `TooLarge`; `NotUtf8`, with the offset of the first bad byte; not a regular file.
pub fn read_text(path: &str, max_bytes: u32) -> Result<String, Failure> {
    let during = || format!("read {path:?}");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).during(during)?;
    read_opened_text(file, max_bytes, &during)
}

/// The text of a file that a user names, which may also be a pipe or a FIFO (`--process <(...)` of a shell): it is read to its end, waited for.
/// Says as well whether it was a regular file, which can be read again.
///
/// # Errors
/// As of `read_text`.
pub fn read_input(path: &str, max_bytes: u32) -> Result<(String, bool), Failure> {
    let during = || format!("read {path:?}");
    let found = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let is_pipe = FileType::from_raw_mode(rustix::fs::fstat(&found).during(during)?.st_mode) == FileType::Fifo;
    // What was looked at is opened, and nothing but a pipe is waited for.
    let wait = if is_pipe { OFlags::empty() } else { OFlags::NONBLOCK };
    let reopened = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = rustix::fs::open(reopened, OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | wait, Mode::empty()).during(during)?;
    if is_pipe {
        return Ok((read_to_end(std::fs::File::from(file), max_bytes, &during)?, false));
    }
    Ok((read_opened_text(file, max_bytes, &during)?, true))
}

/// As `read_text`, for an open file. Open it with `O_NONBLOCK`.
pub fn read_opened_text(file: OwnedFd, max_bytes: u32, during: &dyn Fn() -> String) -> Result<String, Failure> {
    let stat = rustix::fs::fstat(&file).during(during)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR).during(during),
        _ => return Err(Failure::new(FailureCode::Other, during(), "not a regular file")),
    }
    let max_bytes = u64::from(max_bytes);
    let too_large = |size: String| Failure::new(FailureCode::TooLarge, during(), format!("{size} bytes, at most {max_bytes} are read"));
    let size = stat.st_size as u64;
    if size > max_bytes {
        return Err(too_large(size.to_string()));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    // The size is not reliable: procfs reports 0, and a file may grow.
    std::io::Read::read_to_end(&mut std::io::Read::take(std::fs::File::from(file), max_bytes + 1), &mut bytes).during(during)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(format!("more than {max_bytes}")));
    }
    utf8(bytes, during)
}

fn utf8(bytes: Vec<u8>, during: &dyn Fn() -> String) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::new(FailureCode::NotUtf8, during(), format!("not UTF-8 at byte {offset}"))
    })
}

/// Reads stdin to its end.
///
/// # Errors
/// `TooLarge`; `NotUtf8`.
pub fn read_stdin(max_bytes: u32) -> Result<String, Failure> {
    read_to_end(std::io::stdin().lock(), max_bytes, &|| "read stdin".to_owned())
}

fn read_to_end(input: impl std::io::Read, max_bytes: u32, during: &dyn Fn() -> String) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(input, u64::from(max_bytes) + 1), &mut bytes).during(during)?;
    if bytes.len() > max_bytes as usize {
        return Err(Failure::new(FailureCode::TooLarge, during(), format!("more than {max_bytes} bytes")));
    }
    utf8(bytes, &during)
}

/// The texts of kernel files without their final newline. None for a file that does not exist or is write-only.
pub fn read_values(paths: &[String]) -> Result<Vec<Option<String>>, Failure> {
    let read = |path: &String| {
        let during = || format!("read {path:?}");
        let file = match rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            // ENODEV: its cgroup is being removed.
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => return Ok(None),
            result => result.during(during)?,
        };
        let text = match std::io::read_to_string(std::fs::File::from(file)) {
            // EINVAL: write-only files (cgroup.kill, memory.reclaim, devices.allow). EOPNOTSUPP: cgroup.procs of a threaded cgroup; pressure files
            // while PSI is off.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NODEV | Errno::OPNOTSUPP)) => return Ok(None),
            text => text.during(during)?,
        };
        Ok(Some(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
    };
    paths.iter().map(read).collect()
}

/// Names in a directory, sorted. Empty if it does not exist.
pub fn list(path: &str) -> Result<Vec<String>, Failure> {
    let during = || format!("list {path:?}");
    let directory = match rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        result => result.during(during)?,
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory).during(during)? {
        let name = entry.during(during)?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Creates a file that must not exist yet.
pub fn create(path: &str, text: &str, mode: u32) -> Result<(), Failure> {
    let during = || format!("create {path:?}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).during(during)?;
    write_all(&file, text.as_bytes()).during(during)
}

/// Creates a file or replaces its contents.
pub fn write(path: &str, text: &str) -> Result<(), Failure> {
    let during = || format!("write {path:?}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).during(during)?;
    write_all(&file, text.as_bytes()).during(during)
}

/// Makes a directory and missing parents, with mode 0700; existing ones stay as they are. With `group` a new directory is searchable by that group
/// (mode 0710).
pub fn make_directory(path: &str, group: Option<u32>) -> Result<(), Failure> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let during = || format!("make directory {path:?}");
    let make = |path: &std::path::Path, recursive| std::fs::DirBuilder::new().recursive(recursive).mode(0o700).create(path);
    let path = std::path::Path::new(path);
    let Some(group) = group else { return make(path, true).during(during) };
    if let Some(above) = path.parent() {
        make(above, true).during(during)?;
    }
    match make(path, false) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return make(path, true).during(during),
        result => result.during(during)?,
    }
    std::os::unix::fs::chown(path, None, Some(group)).during(during)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o710)).during(during)
}

/// The target of a symbolic link.
pub fn read_link(path: &str) -> Result<String, Failure> {
    let during = || format!("read link {path:?}");
    let target = rustix::fs::readlink(path, Vec::new()).during(during)?;
    target.into_string().map_err(|_| Failure::new(FailureCode::NotUtf8, during(), "not UTF-8"))
}

/// Appends `text`, if possible with one write(2), so that lines of concurrent writers are not mixed.
pub fn append(path: &str, text: &str) -> Result<(), Failure> {
    let during = || format!("append to {path:?}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).during(during)?;
    write_all(&file, text.as_bytes()).during(during)
}

/// Writes all bytes, with as many calls as needed.
pub fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes the pid to `.name` and renames that, so that nobody who waits for the file sees it empty.
pub fn write_pid_file(path: &str, pid: i32) -> Result<(), Failure> {
    let during = || format!("write pid file {path:?}");
    let (directory, name) = path.rsplit_once('/').map_or((".", path), |(directory, name)| (if directory.is_empty() { "/" } else { directory }, name));
    let directory = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let draft = format!(".{name}");
    match rustix::fs::unlinkat(&directory, &*draft, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno).during(during),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, &*draft, flags, Mode::from_raw_mode(0o644)).during(during)?;
    let written = write_all(&file, pid.to_string().as_bytes()).and_then(|()| rustix::fs::renameat(&directory, &*draft, &directory, name));
    if written.is_err() {
        // Ignored: the first failure is reported.
        if let Err(_second) = rustix::fs::unlinkat(&directory, &*draft, AtFlags::empty()) {}
    }
    written.during(during)
}

/// The path of a directory with all symbolic links resolved.
pub fn resolve_directory(path: &str) -> Result<String, Failure> {
    let during = || format!("open directory {path:?}");
    let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
    let resolved = rustix::fs::readlink(link, Vec::new()).during(during)?;
    resolved.into_string().map_err(|_| not_utf8(during()))
}

fn not_utf8(operation: String) -> Failure {
    Failure::new(FailureCode::NotUtf8, operation, "its path is not UTF-8")
}

/// Makes a path absolute without looking at the file system. `..` stays, because it may follow a symbolic link.
pub fn absolute_path(path: &str) -> Result<String, Failure> {
    let during = || format!("make {path:?} absolute");
    let absolute = std::path::absolute(path).during(during)?;
    absolute.into_os_string().into_string().map_err(|_| not_utf8(during()))
}

/// Those of the paths that do not exist. A path that cannot be examined counts as existing.
pub fn missing(paths: Vec<String>) -> Vec<String> {
    let is_missing = |path: &str| matches!(rustix::fs::accessat(CWD, path, rustix::fs::Access::EXISTS, AtFlags::EACCESS), Err(Errno::NOENT | Errno::NOTDIR));
    paths.into_iter().filter(|path| is_missing(path)).collect()
}

/// The type of the file at a path. Does not follow a final symbolic link.
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

/// The login name of a uid in the host's passwd(5), or the number if there is none.
pub fn user_name(uid: u32) -> String {
    let table = std::fs::read(Path::new("/etc/passwd")).unwrap_or_default();
    name_in(&String::from_utf8_lossy(&table), uid).map_or_else(|| uid.to_string(), str::to_owned)
}

fn name_in(table: &str, uid: u32) -> Option<&str> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn reads_text_and_refuses_everything_else() {
        let temp = TempDir::new();
        let path = format!("{}/file", temp.path());
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), format!("read {path:?}: 5 bytes, at most 4 are read"));
        assert_eq!(read_text(&path, 4).unwrap_err().code, FailureCode::TooLarge);
        assert_eq!(read_text("/proc/self/status", 10).unwrap_err().code, FailureCode::TooLarge);
        std::fs::write(&path, b"ab\xff").unwrap();
        let failure = read_text(&path, 10).unwrap_err();
        assert_eq!((failure.code, failure.cause.as_str()), (FailureCode::NotUtf8, "not UTF-8 at byte 2"));
        assert_eq!(read_text(temp.path(), 10).unwrap_err().cause, "EISDIR (is a directory)");
        assert_eq!(read_text("/nowhere", 10).unwrap_err().code, FailureCode::NotFound);
        assert_eq!(read_text("/dev/zero", 10).unwrap_err().cause, "not a regular file");
        assert_eq!(read_text("a\0b", 10).unwrap_err().cause, "EINVAL (invalid argument)");
    }

    #[test]
    fn does_not_block_on_a_fifo() {
        let temp = TempDir::new();
        let path = format!("{}/fifo", temp.path());
        rustix::fs::mknodat(CWD, &*path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().cause, "not a regular file");
        assert_eq!(kind(&path).unwrap(), "other");
    }

    #[test]
    fn creates_once_and_appends() {
        let temp = TempDir::new();
        let path = format!("{}/file", temp.path());
        create(&path, "a\n", 0o600).unwrap();
        assert_eq!(create(&path, "b", 0o600).unwrap_err().code, FailureCode::Exists);
        append(&path, "c\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nc\n");
        append(&format!("{}/new", temp.path()), "d\n").unwrap();
    }

    #[test]
    fn replaces_a_pid_file_and_leaves_no_draft() {
        let temp = TempDir::new();
        let path = format!("{}/pid", temp.path());
        std::fs::write(format!("{}/.pid", temp.path()), "half").unwrap();
        write_pid_file(&path, 1).unwrap();
        write_pid_file(&path, 42).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "42");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
        let failure = write_pid_file("/nowhere/pid", 1).unwrap_err();
        assert_eq!(failure.to_string(), "write pid file \"/nowhere/pid\": ENOENT (no such file or directory)");
    }

    #[test]
    fn resolves_only_directories() {
        let temp = TempDir::new();
        let link = format!("{}/link", temp.path());
        std::fs::create_dir(format!("{}/dir", temp.path())).unwrap();
        std::os::unix::fs::symlink("dir", &link).unwrap();
        assert_eq!(resolve_directory(&link).unwrap(), format!("{}/dir", resolve_directory(temp.path()).unwrap()));
        assert_eq!(resolve_directory("/etc/passwd").unwrap_err().cause, "ENOTDIR (not a directory)");
        assert_eq!(kind(&link).unwrap(), "symlink");
        assert_eq!(kind(temp.path()).unwrap(), "directory");
        assert_eq!(kind("/etc/passwd/x").unwrap(), "missing");
    }

    #[test]
    fn makes_paths_absolute_without_resolving_them() {
        assert_eq!(absolute_path("/a/./b//c/../d").unwrap(), "/a/b/c/../d");
        let cwd = std::env::current_dir().unwrap().into_os_string().into_string().unwrap();
        assert_eq!(absolute_path("x").unwrap(), format!("{cwd}/x"));
    }

    #[test]
    fn lists_names() {
        let temp = TempDir::new();
        for name in ["b", "a"] {
            std::fs::write(format!("{}/{name}", temp.path()), "").unwrap();
        }
        assert_eq!(list(temp.path()).unwrap(), ["a", "b"]);
        assert_eq!(list("/no/such/directory").unwrap(), Vec::<String>::new());
        assert_eq!(list("/etc/passwd").unwrap_err().errno.as_deref(), Some("ENOTDIR"));
    }

    #[test]
    fn finds_missing_paths() {
        assert_eq!(missing(vec!["/etc".into(), "/nowhere".into(), "/etc/passwd/x".into()]), ["/nowhere", "/etc/passwd/x"]);
    }

    #[test]
    fn finds_names_of_uids() {
        let table = "root:x:0:0:root:/root:/bin/sh\nbroken\nuser:x:1000:1000::/:\n";
        assert_eq!(name_in(table, 1000), Some("user"));
        assert_eq!(name_in(table, 0), Some("root"));
        assert_eq!(name_in(table, 1), None);
        assert_eq!(user_name(4_000_000_000), "4000000000");
    }
}
