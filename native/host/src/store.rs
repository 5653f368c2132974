//! State directories, one per container, locked by flock(2) on the directory itself.
//!
//! A directory appears by a rename, complete and locked, so that of two creates of one id exactly one wins and nobody
//! sees a half-made one. Leftovers of a creator that was killed have names that no id can have (`#id.pid`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{flock, mkdirat, openat, renameat, renameat_with, unlinkat, AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

const STATE: &str = "state.json";

/// A container's state directory, locked until this value is dropped.
pub struct Lock {
    root: OwnedFd,
    directory: OwnedFd,
    root_path: String,
    id: String,
}

impl Lock {
    /// The state directory: the start gate's socket lives in it.
    pub fn dir_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    fn path(&self) -> String {
        format!("{}/{}", self.root_path, self.id)
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Where a state directory is to be made.
pub struct Reservation<'a> {
    pub root: &'a str,
    pub root_mode: u32,
    pub id: &'a str,
    pub state: &'a str,
}

/// Makes `root/id` with its first state, locked.
///
/// # Errors
/// `Exists` when the id is taken.
pub fn reserve(request: &Reservation<'_>) -> Result<Lock, Failure> {
    let Reservation { root: root_path, root_mode, id, state } = *request;
    let during = || format!("make state directory {:?}", format!("{root_path}/{id}"));
    let root = open_or_make_root(root_path, root_mode)?;
    let temporary = format!("#{id}.{}", std::process::id());
    // Left by a dead process of the same pid: nobody holds it.
    match mkdirat(&root, temporary.as_str(), Mode::from_raw_mode(0o700)) {
        Err(Errno::EXIST) => {
            remove_directory(&root, &temporary)?;
            mkdirat(&root, temporary.as_str(), Mode::from_raw_mode(0o700)).during(during)?;
        }
        result => result.during(during)?,
    }
    let directory = openat(&root, temporary.as_str(), DIRECTORY, Mode::empty()).during(during)?;
    flock(&directory, FlockOperation::LockExclusive).during(during)?;
    let lock = Lock { root, directory, root_path: root_path.to_owned(), id: id.to_owned() };
    let result = write_new(&lock, STATE, state)
        .and_then(|()| renameat_with(&lock.root, temporary.as_str(), &lock.root, id, RenameFlags::NOREPLACE).during(during));
    if let Err(failure) = result {
        remove_directory(&lock.root, &temporary)?;
        return Err(failure);
    }
    Ok(lock)
}

fn open_or_make_root(path: &str, mode: u32) -> Result<OwnedFd, Failure> {
    let during = || format!("open state root {path:?}");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {}
        result => return result.during(during),
    }
    if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
        std::fs::create_dir_all(parent).during(|| format!("make directory {parent:?}"))?;
    }
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).during(|| format!("make state root {path:?}")),
    }
    rustix::fs::open(path, flags, Mode::empty()).during(during)
}

/// Which directory to lock, and whether to wait for who holds it.
pub struct LockRequest<'a> {
    pub root: &'a str,
    pub id: &'a str,
    pub wait: bool,
}

/// Locks `root/id`.
///
/// # Errors
/// `NotFound` without such a directory, `Locked` where another process holds it and `wait` is false.
pub fn lock(request: &LockRequest<'_>) -> Result<Lock, Failure> {
    let path = format!("{}/{}", request.root, request.id);
    let during = || format!("lock state directory {path:?}");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(request.root, flags, Mode::empty()).during(during)?;
    let operation = if request.wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    loop {
        let directory = openat(&root, request.id, DIRECTORY, Mode::empty()).during(during)?;
        match flock(&directory, operation) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Failure::new(FailureCode::Locked, during(), "another process works on it")),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno).during(during),
        }
        // While we waited, it may have been removed, and even made anew.
        let ours = rustix::fs::fstat(&directory).during(during)?;
        match rustix::fs::statat(&root, request.id, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) => {
                return Ok(Lock { root, directory, root_path: request.root.to_owned(), id: request.id.to_owned() });
            }
            Ok(_) => {}
            Err(errno) => return Err(errno).during(during),
        }
    }
}

/// Replaces the state in one step: a reader sees the old or the new one.
pub fn save_state(lock: &Lock, state: &str) -> Result<(), Failure> {
    const NEW: &str = "state.json.new";
    match unlinkat(&lock.directory, NEW, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {} // left by a killed process
        Err(errno) => return Err(errno).during(|| format!("remove {NEW:?}")),
    }
    write_new(lock, NEW, state)?;
    renameat(&lock.directory, NEW, &lock.directory, STATE).during(|| format!("replace \"{}/{STATE}\"", lock.path()))
}

fn write_new(lock: &Lock, name: &str, text: &str) -> Result<(), Failure> {
    let during = || format!("write \"{}/{name}\"", lock.path());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&lock.directory, name, flags, Mode::from_raw_mode(0o600)).during(during)?;
    crate::files::write_all(&file, text.as_bytes()).during(during)
}

/// Removes the container's directory and leftovers of killed creates of its id.
pub fn remove(lock: &Lock) -> Result<(), Failure> {
    remove_directory(&lock.root, &lock.id)?;
    let prefix = format!("#{}.", lock.id);
    for name in names(&lock.root).during(|| format!("list {:?}", lock.root_path))? {
        let is_leftover = name.strip_prefix(&prefix).is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_leftover {
            continue;
        }
        let Ok(directory) = openat(&lock.root, name.as_str(), DIRECTORY, Mode::empty()) else { continue };
        if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove_directory(&lock.root, &name)?;
        }
    }
    Ok(())
}

/// Removes a directory of plain files; a directory in it makes it fail.
fn remove_directory(root: &OwnedFd, name: &str) -> Result<(), Failure> {
    let during = || format!("remove state directory {name:?}");
    let directory = match openat(root, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        result => result.during(during)?,
    };
    for file in names(&directory).during(during)? {
        unlinkat(&directory, file.as_str(), AtFlags::empty()).during(|| format!("remove {file:?}"))?;
    }
    unlinkat(root, name, AtFlags::REMOVEDIR).during(during)
}

/// Names in a directory, without `.` and `..`, sorted; those that are not UTF-8 are none of ours.
pub fn names(directory: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        if let Ok(name) = entry?.file_name().to_str() {
            if !matches!(name, "." | "..") {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}
