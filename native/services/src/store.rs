//! State directories: `root/id`, one per container, locked by flock(2) on the directory itself.
//!
//! A name that begins with `#` is no id: such directories are being made or removed, and change their name in one step.
//! So nobody sees half a container, and of two creates of one id exactly one wins.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::record::ContainerRecord;
use tsrunc_plan::request::ProcessIdentity;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::KILL;

use crate::drafts::{draft_name, is_entry, remove_directory, remove_leftovers, DIRECTORY};
use crate::holder;
use crate::processes;
use crate::state_root::{self, check_id, open_container, STATE};
use crate::trust::require_trusted;

const NEW_STATE: &str = "state.json.new";

const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// A container's directory, locked against every other process until dropped.
pub struct Lock {
    dir: OwnedFd,
    root: OwnedFd,
    root_path: String,
    id: String,
}

impl Lock {
    pub fn dir_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The state root.
    pub fn root_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The container's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Absolute path if that of the state root is.
    pub fn path(&self) -> String {
        format!("{}/{}", self.root_path, self.id)
    }
}

/// The state directory of a new container.
#[derive(Clone, Copy)]
pub struct Reservation<'a> {
    pub root: &'a str,
    /// Of the root, where that must be made.
    pub root_mode: u32,
    /// The first content of state.json.
    pub record: &'a ContainerRecord,
    /// This process may be ended for the container (holder.rs).
    pub endable: bool,
}

/// Makes the directory with state.json in it, and locks it. The root is made when missing.
///
/// # Errors
/// `Exists` if the id is taken.
pub fn reserve(request: &Reservation<'_>) -> Result<Lock, Failure> {
    let Reservation { root, root_mode, record, endable } = *request;
    let id = record.id.as_str();
    let state = &text_of(record)?;
    let during = || format!("make state directory \"{root}/{id}\"");
    check_id(id)?;
    let root_fd = state_root::open_or_make(root, root_mode)?;
    // Who cleans up after killed creates may take the directory away before it is locked.
    for _attempt in 0..16 {
        let draft = draft_name(id);
        match fill_draft(&root_fd, &draft, state, endable) {
            Err(Errno::NOENT) => continue,
            Err(errno) => {
                remove_draft(&root_fd, &draft);
                return Err(errno).during(during);
            }
            Ok(dir) => match rename_to_id(&root_fd, &draft, id) {
                Ok(()) => return Ok(Lock { dir, root: root_fd, root_path: root.to_owned(), id: id.to_owned() }),
                Err(Errno::NOENT) => continue,
                Err(errno) => {
                    // The first failure is the one to tell; what stays is taken away with the next leftovers.
                    if let Err(_second) = remove_directory(&root_fd, &dir, &draft) {}
                    let errno = if errno == Errno::NOTEMPTY { Errno::EXIST } else { errno };
                    return Err(errno).during(during);
                }
            },
        }
    }
    Err(Errno::NOENT).during(during)
}

fn text_of(record: &ContainerRecord) -> Result<String, Failure> {
    serde_json::to_string(record).map_err(|error| Failure::new(FailureCode::Other, "write the container's state", error.to_string()))
}

fn fill_draft(root: &OwnedFd, draft: &str, state: &str, endable: bool) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(root, draft, Mode::RWXU) {
        Err(Errno::EXIST) => return Err(Errno::NOENT), // another attempt
        result => result?,
    }
    let dir = rustix::fs::openat(root, draft, DIRECTORY, Mode::empty())?;
    rustix::fs::flock(&dir, FlockOperation::LockExclusive)?;
    if endable {
        holder::declare(&dir)?;
    }
    write_new(&dir, STATE, state)?;
    Ok(dir)
}

/// After a failure, which is the one to tell. By names: it may be that the descriptors ran out.
fn remove_draft(root: &OwnedFd, draft: &str) {
    if let Err(_second) = rustix::fs::unlinkat(root, format!("{draft}/{STATE}"), AtFlags::empty()) {}
    if let Err(_second) = rustix::fs::unlinkat(root, draft, AtFlags::REMOVEDIR) {}
}

fn rename_to_id(root: &OwnedFd, draft: &str, id: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(root, draft, root, id, RenameFlags::NOREPLACE) {
        // A file system without RENAME_NOREPLACE: a directory replaces an empty one only, and none here is.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(root, draft, root, id),
        result => result,
    }
}

/// Which directory to lock.
#[derive(Clone, Copy)]
pub struct LockRequest<'a> {
    pub root: &'a str,
    pub id: &'a str,
    /// How long to wait for who holds it; None: without end.
    pub patience: Option<Duration>,
    /// This process may be ended for the container (holder.rs).
    pub endable: bool,
}

/// Locks the directory of a container.
///
/// # Errors
/// `NotFound`; `Locked` when somebody else holds the lock for longer than the patience.
pub fn lock(request: &LockRequest<'_>) -> Result<Lock, Failure> {
    let LockRequest { root, id, patience, endable } = *request;
    let deadline = patience.map(|patience| Instant::now() + patience);
    let during = || format!("lock state directory \"{root}/{id}\"");
    check_id(id)?;
    let root_fd = state_root::open(root)?;
    let operation = if patience.is_none() { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    let mut pause = SHORTEST_PAUSE;
    loop {
        let dir = match open_container(&root_fd, id) {
            Err(Errno::NOENT) => {
                remove_leftovers(&root_fd, id).during(during)?;
                return Err(Errno::NOENT).during(during);
            }
            result => result.during(during)?,
        };
        require_trusted(&dir, || format!("{root}/{id}"))?;
        match retry_interrupted(|| rustix::fs::flock(&dir, operation)) {
            Err(Errno::AGAIN) => {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(Failure::new(FailureCode::Locked, during(), "another process holds the lock"));
                }
                // flock(2) knows no time limit. From the name again: the holder may remove the directory and stay.
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            result => result.during(during)?,
        }
        // Meanwhile it may have been removed, and even made anew.
        if is_entry(&root_fd, id, &dir).during(during)? {
            if endable {
                holder::declare(&dir).during(during)?;
            }
            return Ok(Lock { dir, root: root_fd, root_path: root.to_owned(), id: id.to_owned() });
        }
    }
}

fn retry_interrupted(mut call: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// What state.json says.
pub fn read_state(lock: &Lock) -> Result<String, Failure> {
    state_root::read_state_in(&lock.dir, &|| lock.path())
}

/// Replaces state.json in one step. Not synced: what it describes does not outlive the kernel either.
pub fn save_state(lock: &Lock, record: &ContainerRecord) -> Result<(), Failure> {
    draft_state(lock, record)?;
    commit_state(lock)
}

/// Writes a new state.json beside the one that counts.
pub fn draft_state(lock: &Lock, record: &ContainerRecord) -> Result<(), Failure> {
    let state = &text_of(record)?;
    let during = || format!("write \"{}/{STATE}\"", lock.path());
    let written = match write_new(&lock.dir, NEW_STATE, state) {
        Err(Errno::EXIST) => {
            // Left by a process that was killed while it held the lock.
            rustix::fs::unlinkat(&lock.dir, NEW_STATE, AtFlags::empty()).during(during)?;
            write_new(&lock.dir, NEW_STATE, state)
        }
        result => result,
    };
    if written.is_err() {
        // The first failure is the one to tell. A part of the file would take space that is scarce already.
        if let Err(_second) = rustix::fs::unlinkat(&lock.dir, NEW_STATE, AtFlags::empty()) {}
    }
    written.during(during)
}

/// How long a process that was killed may take to end.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Kills the first process of a container whose create was killed before it committed the state: the draft names it.
///
/// # Errors
/// The process cannot be signalled. A draft that is missing or cut short names none.
pub fn end_half_made(lock: &Lock) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Draft {
        process: ProcessIdentity,
    }
    let Ok(draft) = state_root::read_state_file(&lock.dir, NEW_STATE, &|| lock.path()) else { return Ok(()) };
    let Ok(Draft { process }) = serde_json::from_str(&draft) else { return Ok(()) };
    match processes::kill(&process, KILL) {
        Err(failure) if failure.code == FailureCode::Finished => Ok(()),
        result => result.and_then(|()| processes::wait_gone(&process, END_PATIENCE)).map(drop),
    }
}

/// Puts the new state.json in the old one's place.
pub fn commit_state(lock: &Lock) -> Result<(), Failure> {
    replace_state(&lock.dir).during(|| format!("write \"{}/{STATE}\"", lock.path()))
}

/// By exchange and not by replacement where that can be had: ext4 writes the data of
/// a file that replaces another to the disk at once (`auto_da_alloc`), and a state that lives for milliseconds would wait for it.
fn replace_state(dir: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, NEW_STATE, dir, STATE, RenameFlags::EXCHANGE) {
        Ok(()) => rustix::fs::unlinkat(dir, NEW_STATE, AtFlags::empty()),
        // There is no old one, or the file system cannot exchange.
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(dir, NEW_STATE, dir, STATE),
        Err(errno) => Err(errno),
    }
}

fn write_new(dir: &OwnedFd, name: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    crate::files::write_all(&file, text.as_bytes())
}

/// Removes the directory with its files, and what killed creates and deletes of this id left.
///
/// # Errors
/// A directory in it that nobody put there stays, and so does the container's directory, under a draft's name.
pub fn remove(lock: &Lock) -> Result<(), Failure> {
    let during = || format!("remove state directory {:?}", lock.path());
    // First the name: a removal that is cut short leaves no half container, but a leftover.
    let draft = draft_name(&lock.id);
    if is_entry(&lock.root, &lock.id, &lock.dir).during(during)? {
        rustix::fs::renameat(&lock.root, &*lock.id, &lock.root, &*draft).during(during)?;
        remove_directory(&lock.root, &lock.dir, &draft).during(during)?;
    }
    remove_leftovers(&lock.root, &lock.id).during(during)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drafts::names;
    use crate::testing::{record, TempDir};
    use tsrunc_plan::record::RecordedStatus;

    fn code<T>(result: Result<T, Failure>) -> FailureCode {
        result.err().unwrap().code
    }

    fn reserve_in(temp: &TempDir, id: &str) -> Result<Lock, Failure> {
        reserve(&Reservation { root: temp.path(), root_mode: 0o700, record: &record(id), endable: false })
    }

    fn lock_in(temp: &TempDir, id: &str, wait: bool) -> Result<Lock, Failure> {
        lock(&LockRequest { root: temp.path(), id, patience: if wait { None } else { Some(Duration::ZERO) }, endable: false })
    }

    #[test]
    fn reserves_with_state_and_modes() {
        let temp = TempDir::new();
        let root = format!("{}/a/root", temp.path());
        let lock = reserve(&Reservation { root: &root, root_mode: 0o1711, record: &record("c1"), endable: false }).unwrap();
        let state = std::fs::read_to_string(format!("{root}/c1/state.json")).unwrap();
        assert_eq!(serde_json::from_str::<ContainerRecord>(&state).unwrap(), record("c1"));
        let mode = |path: &str| rustix::fs::stat(path).unwrap().st_mode & 0o7777;
        assert_eq!((mode(&root), mode(&lock.path()), mode(&format!("{root}/c1/state.json"))), (0o1711, 0o700, 0o600));
    }

    #[test]
    fn a_draft_that_cannot_be_filled_is_taken_away() {
        let temp = TempDir::new();
        let root = rustix::fs::open(temp.path(), DIRECTORY, Mode::empty()).unwrap();
        fill_draft(&root, "#c.0000abcd", "{}", false).unwrap();
        remove_draft(&root, "#c.0000abcd");
        remove_draft(&root, "#c.0000abcd");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_many_creates_of_one_id_exactly_one_wins() {
        let temp = TempDir::new();
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| reserve_in(&temp, "c"))).collect();
            let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            for failure in results.iter().filter_map(|result| result.as_ref().err()) {
                assert_eq!(failure.code, FailureCode::Exists, "{failure}");
            }
            results.iter().filter(|result| result.is_ok()).count()
        });
        assert_eq!(wins, 1);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn locks_exclusively_and_frees_when_dropped() {
        let temp = TempDir::new();
        let first = reserve_in(&temp, "c").unwrap();
        assert_eq!(code(lock_in(&temp, "c", false)), FailureCode::Locked);
        drop(first);
        lock_in(&temp, "c", true).unwrap();
    }

    #[test]
    fn who_waits_for_a_container_that_is_removed_finds_none() {
        let temp = TempDir::new();
        let first = reserve_in(&temp, "c").unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock_in(&temp, "c", true));
            std::thread::sleep(std::time::Duration::from_millis(50));
            remove(&first).unwrap();
            drop(first);
            assert_eq!(code(waiter.join().unwrap()), FailureCode::NotFound);
        });
    }

    #[test]
    fn reports_what_is_not_there_and_refuses_links_and_paths() {
        let temp = TempDir::new();
        assert_eq!(code(lock_in(&temp, "c", true)), FailureCode::NotFound);
        assert_eq!(code(lock(&LockRequest { root: &format!("{}/none", temp.path()), id: "c", patience: None, endable: false })), FailureCode::NotFound);
        std::os::unix::fs::symlink("/tmp", format!("{}/link", temp.path())).unwrap();
        assert!(lock_in(&temp, "link", true).is_err());
        for id in ["", ".", "..", "a/b", "#c.00000000", "a\0"] {
            assert_eq!(code(lock_in(&temp, id, true)), FailureCode::BadRequest, "{id:?}");
            assert_eq!(code(reserve_in(&temp, id)), FailureCode::BadRequest, "{id:?}");
        }
    }

    #[test]
    fn replaces_the_state_even_over_a_leftover() {
        let temp = TempDir::new();
        let lock = reserve_in(&temp, "c").unwrap();
        std::fs::write(format!("{}/{NEW_STATE}", lock.path()), "half").unwrap();
        let new = ContainerRecord { status: RecordedStatus::Running, ..record("c") };
        save_state(&lock, &new).unwrap();
        let state = std::fs::read_to_string(format!("{}/{STATE}", lock.path())).unwrap();
        assert_eq!(serde_json::from_str::<ContainerRecord>(&state).unwrap(), new);
        assert_eq!(std::fs::read_dir(lock.path()).unwrap().count(), 1);
    }

    #[test]
    fn removes_files_links_and_stale_drafts_but_nothing_else() {
        let temp = TempDir::new();
        let lock = reserve_in(&temp, "c").unwrap();
        let outside = format!("{}/outside", temp.path());
        std::fs::write(&outside, "stays").unwrap();
        std::os::unix::fs::symlink(&outside, format!("{}/link", lock.path())).unwrap();
        let draft = |id: &str| format!("{}/#{id}.0000abcd", temp.path());
        for id in ["c", "c2", "c.d"] {
            std::fs::create_dir(draft(id)).unwrap();
        }
        std::fs::write(format!("{}/{STATE}", draft("c")), "{}").unwrap();
        remove(&lock).unwrap();
        let mut left: Vec<_> = names(&lock.root).unwrap();
        left.sort();
        assert_eq!(left, [c"#c.d.0000abcd".to_owned(), c"#c2.0000abcd".to_owned(), c"outside".to_owned()]);
    }

    #[test]
    fn a_missing_container_leaves_no_drafts_but_those_in_work() {
        let temp = TempDir::new();
        let (stale, alive) = (format!("{}/#c.00000001", temp.path()), format!("{}/#c.00000002", temp.path()));
        std::fs::create_dir(&stale).unwrap();
        std::fs::create_dir(&alive).unwrap();
        let maker = rustix::fs::open(alive.as_str(), DIRECTORY, Mode::empty()).unwrap();
        rustix::fs::flock(&maker, FlockOperation::LockExclusive).unwrap();
        assert_eq!(code(lock_in(&temp, "c", true)), FailureCode::NotFound);
        assert!(!std::path::Path::new(&stale).exists());
        assert!(std::path::Path::new(&alive).exists());
    }

    #[test]
    fn keeps_a_directory_that_nobody_expects() {
        let temp = TempDir::new();
        let lock = reserve_in(&temp, "c").unwrap();
        std::fs::create_dir(format!("{}/odd", lock.path())).unwrap();
        assert!(remove(&lock).is_err());
    }
}
