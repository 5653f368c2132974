//! Makes and removes the state directory of a container.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, RenameFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::record::ContainerRecord;
use tsrunc_sys::errno::During;

use super::state::{text_of, write_new};
use super::Lock;
use crate::drafts::{draft_name, is_entry, remove_directory, remove_leftovers, DIRECTORY};
use crate::lock_holder;
use crate::state_root::{self, check_id, STATE};

/// The state directory of a new container.
#[derive(Clone, Copy)]
pub struct Reservation<'a> {
    pub root: &'a str,
    /// Mode of the root, if that has to be made.
    pub root_mode: u32,
    /// The first content of state.json.
    pub record: &'a ContainerRecord,
    /// This process may be ended for the container (take_over.rs).
    pub interruptible: bool,
}

/// Makes the directory with state.json in it, and locks it. The root is made when missing.
///
/// # Errors
/// `Exists` if the id is taken.
pub fn reserve(request: &Reservation<'_>) -> Result<Lock, Failure> {
    let Reservation { root, root_mode, record, interruptible } = *request;
    let id = record.id.as_str();
    let state = &text_of(record)?;
    let during = || format!("make state directory \"{root}/{id}\"");
    check_id(id)?;
    let root_fd = state_root::open_or_make(root, root_mode)?;
    // Another process that removes leftovers of killed creates may remove the draft before it is locked: then try again.
    for _attempt in 0..16 {
        let draft = draft_name(id);
        match fill_draft(&root_fd, &draft, state, interruptible) {
            Err(Errno::NOENT) => continue,
            Err(errno) => {
                remove_draft(&root_fd, &draft);
                return Err(errno).during(during);
            }
            Ok(dir) => match rename_to_id(&root_fd, &draft, id) {
                Ok(()) => return Ok(Lock { dir, root: root_fd, root_path: root.to_owned(), id: id.to_owned() }),
                Err(Errno::NOENT) => continue,
                Err(errno) => {
                    // Ignored: the first failure is reported, and leftovers are removed later.
                    if let Err(_second) = remove_directory(&root_fd, &dir, &draft) {}
                    let errno = if errno == Errno::NOTEMPTY { Errno::EXIST } else { errno };
                    return Err(errno).during(during);
                }
            },
        }
    }
    Err(Errno::NOENT).during(during)
}

fn fill_draft(root: &OwnedFd, draft: &str, state: &str, interruptible: bool) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(root, draft, Mode::RWXU) {
        Err(Errno::EXIST) => return Err(Errno::NOENT), // the caller tries another name
        result => result?,
    }
    let dir = rustix::fs::openat(root, draft, DIRECTORY, Mode::empty())?;
    rustix::fs::flock(&dir, FlockOperation::LockExclusive)?;
    if interruptible {
        lock_holder::declare(&dir)?;
    }
    write_new(&dir, STATE, state)?;
    Ok(dir)
}

/// Removes a draft after a failure; that failure is reported, not one in here. Uses names only, because descriptors may have run out.
fn remove_draft(root: &OwnedFd, draft: &str) {
    if let Err(_second) = rustix::fs::unlinkat(root, format!("{draft}/{STATE}"), AtFlags::empty()) {}
    if let Err(_second) = rustix::fs::unlinkat(root, draft, AtFlags::REMOVEDIR) {}
}

fn rename_to_id(root: &OwnedFd, draft: &str, id: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(root, draft, root, id, RenameFlags::NOREPLACE) {
        // The file system lacks RENAME_NOREPLACE. A directory can only replace an empty one, and state directories never are.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(root, draft, root, id),
        result => result,
    }
}

/// Removes the directory with its files, and leftovers of killed creates and deletes of this id.
///
/// # Errors
/// There is an unexpected directory in it. It stays in the container's directory, which then has the name of a draft.
pub fn remove(lock: &Lock) -> Result<(), Failure> {
    let during = || format!("remove state directory {:?}", lock.path());
    // Renamed first, so that an interrupted removal leaves a draft and not an incomplete container.
    let draft = draft_name(&lock.id);
    if is_entry(&lock.root, &lock.id, &lock.dir).during(during)? {
        rustix::fs::renameat(&lock.root, &*lock.id, &lock.root, &*draft).during(during)?;
        remove_directory(&lock.root, &lock.dir, &draft).during(during)?;
    }
    remove_leftovers(&lock.root, &lock.id).during(during)
}

#[cfg(test)]
mod tests {
    use super::super::testing::reserve_in;
    use super::*;
    use crate::drafts::names;
    use crate::testing::{record, TempDir};
    use tsrunc_plan::failure::FailureCode;

    #[test]
    fn reserves_with_state_and_modes() {
        let temp = TempDir::new();
        let root = format!("{}/a/root", temp.path());
        let lock = reserve(&Reservation { root: &root, root_mode: 0o1711, record: &record("c1"), interruptible: false }).unwrap();
        let state = std::fs::read_to_string(format!("{root}/c1/state.json")).unwrap();
        assert_eq!(serde_json::from_str::<ContainerRecord>(&state).unwrap(), record("c1"));
        let mode = |path: &str| rustix::fs::stat(path).unwrap().st_mode & 0o7777;
        assert_eq!((mode(&root), mode(&lock.path()), mode(&format!("{root}/c1/state.json"))), (0o1711, 0o700, 0o600));
    }

    #[test]
    fn removes_a_draft_whatever_is_in_it() {
        let temp = TempDir::new();
        let root = rustix::fs::open(temp.path(), DIRECTORY, Mode::empty()).unwrap();
        fill_draft(&root, "#c.0000abcd", "{}", false).unwrap();
        remove_draft(&root, "#c.0000abcd");
        remove_draft(&root, "#c.0000abcd");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn exactly_one_of_many_creates_of_an_id_succeeds() {
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
    fn removes_files_links_and_stale_drafts_only() {
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
    fn fails_on_an_unexpected_directory() {
        let temp = TempDir::new();
        let lock = reserve_in(&temp, "c").unwrap();
        std::fs::create_dir(format!("{}/odd", lock.path())).unwrap();
        assert!(remove(&lock).is_err());
    }
}
