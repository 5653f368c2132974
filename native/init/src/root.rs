//! Resolves paths in the container's rootfs, by descriptor and never by a path on the host (CVE-2021-30465, CVE-2024-45310): symbolic links,
//! absolute ones and `..` stay below the rootfs. A path below one of the container's mounts is resolved from that mount's descriptor (own_mounts.rs).

use std::borrow::Cow;
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::{os_failure, During};

use crate::own_mounts::OwnMounts;
use tsrunc_common::mountinfo;

/// The kernel's limit of symbolic links in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// The container's root directory.
pub struct Root {
    directory: OwnedFd,
    mounts: OwnMounts,
    /// The directory of the last `place`, by its path: a cache, because devices and links are made one after another in /dev.
    last_parent: RefCell<Option<(String, Rc<Spot>)>>,
    /// The mounts that were attached, by their paths without symbolic links; None unless `record_mounts` was called.
    record: Option<Vec<(String, OwnedFd)>>,
}

/// An open mount point in the container.
pub struct Spot {
    fd: OwnedFd,
    /// Its path without symbolic links.
    path: String,
    /// The path that was asked for, if symbolic links lead from it to `path`.
    alias: Option<String>,
}

impl AsFd for Spot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// An open directory in the container and the name of an entry in it.
pub struct Place {
    pub parent: Rc<Spot>,
    pub name: String,
}

impl Place {
    /// The path without symbolic links.
    fn path(&self) -> String {
        format!("{}/{}", self.parent.path.trim_end_matches('/'), self.name)
    }
}

impl Root {
    pub fn new(directory: OwnedFd) -> Self {
        Root { directory, mounts: OwnMounts::default(), last_parent: RefCell::new(None), record: None }
    }

    /// The root directory of this process, which is in the container.
    pub fn of_process() -> Result<Self, Failure> {
        rustix::fs::open("/", DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Root::new).during(|| "open \"/\"".into())
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Keeps the descriptor of a mount that was attached at `spot`: paths below it are resolved from there. Returns the descriptor.
    pub fn keep_mount(&mut self, spot: Spot, mount: OwnedFd) -> BorrowedFd<'_> {
        self.last_parent.take();
        if let (Some(record), Ok(copy)) = (&mut self.record, rustix::io::fcntl_dupfd_cloexec(&mount, 3)) {
            record.push((spot.path.clone(), copy));
        }
        self.mounts.add(spot.path, spot.alias, mount)
    }

    /// Starts to record mounts, for `recorded_mounts`.
    pub fn record_mounts(&mut self) {
        self.record = Some(Vec::new());
    }

    /// The mounts that were attached, in order, each with its path without symbolic links.
    pub fn recorded_mounts(&self) -> &[(String, OwnedFd)] {
        self.record.as_deref().unwrap_or_default()
    }

    /// The directory and name of the existing file that `path` leads to. `EINVAL` for the root.
    pub fn existing_place(&self, path: &str) -> Result<Place, Errno> {
        let (real, opened) = self.resolve(path, OFlags::PATH)?;
        opened?;
        let (parent, name) = real.rsplit_once('/').filter(|(_, name)| !name.is_empty()).ok_or(Errno::INVAL)?;
        let fd = self.open_without_links(parent, DIRECTORY)?;
        Ok(Place { parent: Rc::new(Spot { fd, path: parent.to_owned(), alias: None }), name: name.to_owned() })
    }

    /// Takes account of what hooks have done: mounts on top of ours replace them, and those that were unmounted are forgotten.
    pub fn mounts_may_have_changed(&mut self) -> Result<(), Errno> {
        self.last_parent.take();
        let table = mountinfo::read().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let (mut gone, mut covered) = (Vec::new(), Vec::new());
        for (path, mount) in self.mounts.iter() {
            let id = mountinfo::place_of(mount)?.0;
            // A rename may have moved the mount out of the rootfs: it is not in the table then, but can still be cloned.
            if !table.iter().any(|entry| entry.id == id) && tsrunc_common::clones::clone_mount(mount, false).is_err() {
                gone.push(path.to_owned());
                continue;
            }
            // `..` at a mount's root, resolved in it, is the root itself, or the mount on top of it. A file has no `..`, and a bind may be of
            // a directory that the user namespace's root user may not search.
            let top = match open_at(mount, "..", OFlags::PATH, ResolveFlags::empty()) {
                Err(Errno::NOTDIR | Errno::ACCESS) => continue,
                result => result?,
            };
            if mountinfo::place_of(&top)?.0 != id {
                covered.push((path.to_owned(), top));
            }
        }
        gone.iter().for_each(|path| self.mounts.forget(path));
        covered.into_iter().for_each(|(path, top)| self.mounts.cover(&path, top));
        Ok(())
    }

    /// Opens `path` below the root; follows symbolic links, but not magic links.
    pub fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.resolve(path, flags).and_then(|(_, opened)| opened)
    }

    /// Opens `path` below the root; a symbolic link anywhere in it is `ELOOP`. The path is absolute, without `.`, `..` and empty
    /// components (`EINVAL`).
    pub fn open_without_links(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !is_plain(path) {
            return Err(Errno::INVAL);
        }
        match self.mounts.containing(path) {
            // The root of the mount may be a file, in which no path can be opened.
            Some((mount, "")) if flags.contains(OFlags::PATH) && !flags.contains(OFlags::DIRECTORY) => rustix::io::fcntl_dupfd_cloexec(mount, 3),
            Some((mount, "")) => open_at(mount, ".", flags, ResolveFlags::NO_SYMLINKS),
            Some((mount, rest)) => open_at(mount, rest, flags, ResolveFlags::NO_SYMLINKS),
            None if path.len() <= 1 => open_at(self.fd(), ".", flags, ResolveFlags::NO_SYMLINKS),
            None => open_at(self.fd(), &path[1..], flags, ResolveFlags::NO_SYMLINKS),
        }
    }

    /// The failure of an operation on `path`. For `ELOOP` it names the symbolic link.
    pub fn failure(&self, path: &str, operation: String, errno: Errno) -> Failure {
        let mut failure = os_failure(operation, errno);
        if errno == Errno::LOOP {
            if let Some((link, target)) = self.first_link(path) {
                failure.cause = format!("{}: {link:?} is a symbolic link to {target:?}", failure.cause);
            }
        }
        failure
    }

    /// The first symbolic link in a path, and its target.
    fn first_link<'p>(&self, path: &'p str) -> Option<(&'p str, String)> {
        let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
        ends.filter(|end| *end > 0).find_map(|end| {
            let link = self.open_without_links(&path[..end], OFlags::PATH | OFlags::NOFOLLOW).ok()?;
            let target = rustix::fs::readlinkat(&link, "", Vec::new()).ok()?;
            Some((&path[..end], target.to_string_lossy().into_owned()))
        })
    }

    /// Resolves symbolic links in `path`. Returns the path without links, and the result of opening it. Usually there are no links, and one system call
    /// is enough.
    fn resolve<'p>(&self, path: &'p str, flags: OFlags) -> Result<(Cow<'p, str>, Result<OwnedFd, Errno>), Errno> {
        match self.open_without_links(path, flags) {
            Err(Errno::LOOP | Errno::INVAL) => {
                let real = self.follow_links(path)?;
                let opened = self.open_without_links(&real, flags);
                Ok((Cow::Owned(real), opened))
            }
            opened => Ok((Cow::Borrowed(path), opened)),
        }
    }

    /// Follows the symbolic links of a path one by one, because an absolute one may lead from one mount into another. Missing components are kept as
    /// they are.
    fn follow_links(&self, path: &str) -> Result<String, Errno> {
        let components = |path: &str| path.split('/').rev().map(str::to_owned).collect::<Vec<_>>();
        let mut pending = components(path);
        let mut real = String::new();
        let mut missing = false;
        let mut links = 0;
        while let Some(component) = pending.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." if missing => return Err(Errno::NOENT),
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = format!("{real}/{component}");
            let found = if missing { Err(Errno::NOENT) } else { self.open_without_links(&next, OFlags::PATH | OFlags::NOFOLLOW) };
            match found {
                Err(Errno::NOENT) => missing = true,
                Err(errno) => return Err(errno),
                Ok(file) => match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
                    FileType::Symlink => {
                        self.refuse_magic_link(&next)?;
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Errno::LOOP);
                        }
                        let target = rustix::fs::readlinkat(&file, "", Vec::new())?;
                        let target = target.to_str().map_err(|_| Errno::ILSEQ)?;
                        if target.starts_with('/') {
                            real.clear();
                        }
                        pending.extend(components(target));
                        continue;
                    }
                    FileType::Directory => {}
                    _ if pending.iter().all(String::is_empty) => {}
                    _ => return Err(Errno::NOTDIR),
                },
            }
            real = next;
        }
        Ok(real)
    }

    /// Refuses a magic link (/proc/PID/fd, proc(5)), whose text does not say where it leads. openat2(2) fails with ELOOP for one, but with EXDEV for an
    /// ordinary link that leads out of its mount.
    fn refuse_magic_link(&self, path: &str) -> Result<(), Errno> {
        let (base, rest) = self.mounts.containing(path).unwrap_or((self.fd(), path.trim_start_matches('/')));
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(base, rest, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(errno @ (Errno::LOOP | Errno::ACCESS)) => Err(errno),
            _ => Ok(()),
        }
    }

    /// Opens the directory or file at `path` (O_PATH), or creates it. Refuses the root itself, which only a symbolic link can lead to.
    pub fn make_below(&self, path: &str, directory: bool) -> Result<Spot, Failure> {
        let spot = if directory { self.make_directory(path)? } else { self.make_file(path)? };
        if spot.path.len() <= 1 {
            return Err(Failure::new(FailureCode::Other, format!("open {path:?} in the rootfs"), "it leads to /"));
        }
        Ok(spot)
    }

    /// Opens the directory `path` (O_PATH); creates it and its parents, with mode 0755, if missing.
    ///
    /// # Errors
    /// `ENOTDIR` if a component exists and is not a directory.
    pub fn make_directory(&self, path: &str) -> Result<Spot, Failure> {
        self.make(path, DIRECTORY, |path| self.make_missing_directory(path))
            .map_err(|errno| self.failure(path, format!("make directory {path:?} in the rootfs"), errno))
    }

    /// As `make_directory`; a symbolic link anywhere in the path is `ELOOP`.
    pub fn make_directory_without_links(&self, path: &str) -> Result<Spot, Failure> {
        let opened = match self.open_without_links(path, DIRECTORY) {
            Err(Errno::NOENT) => self.make_missing_directory(path),
            result => result,
        };
        // runc's text, which says why /proc and /sys are looked up without links.
        let demand = |errno| if matches!(errno, Errno::LOOP | Errno::NOTDIR) { ": must be mounted on ordinary directory" } else { "" };
        let fd = opened.map_err(|errno| self.failure(path, format!("open {path:?} in the rootfs{}", demand(errno)), errno))?;
        Ok(Spot { fd, path: path.to_owned(), alias: None })
    }

    /// Opens the file that `path` leads to (O_PATH), or creates an empty one. A symbolic link may dangle: in some images /etc/resolv.conf leads into
    /// /run.
    pub fn make_file(&self, path: &str) -> Result<Spot, Failure> {
        self.make(path, OFlags::PATH, |path| self.make_missing_file(path))
            .map_err(|errno| self.failure(path, format!("make file {path:?} in the rootfs"), errno))
    }

    fn make(&self, path: &str, flags: OFlags, make_missing: impl FnOnce(&str) -> Result<OwnedFd, Errno>) -> Result<Spot, Errno> {
        let (real, opened) = self.resolve(path, flags)?;
        let fd = match opened {
            Err(Errno::NOENT) => make_missing(&real),
            result => result,
        }?;
        Ok(spot(path, real.into_owned(), fd))
    }

    /// Creates a missing directory and its parents. Follows no symbolic link: one that appears meanwhile is an error.
    fn make_missing_directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        let (parent, name) = self.make_parent(path)?;
        make_directory_at(parent.as_fd(), name)
    }

    fn make_missing_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        let (parent, name) = self.make_parent(path)?;
        make_file_at(parent.as_fd(), name)
    }

    fn make_parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Errno> {
        let (parent, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
        let opened = match self.open_without_links(parent, DIRECTORY) {
            Err(Errno::NOENT) => self.make_missing_directory(parent),
            result => result,
        };
        Ok((opened?, name))
    }

    /// Opens the directory or file at `path` (O_PATH), or creates it. A final symbolic link is not followed.
    pub fn make_in_place(&self, path: &str, directory: bool) -> Result<Spot, Failure> {
        let during = || format!("open {path:?} in the rootfs");
        let place = self.place(path)?;
        let fd = match rustix::fs::openat(&place.parent, &place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) if directory => make_directory_at(place.parent.as_fd(), &place.name),
            Err(Errno::NOENT) => make_file_at(place.parent.as_fd(), &place.name),
            opened => opened,
        };
        Ok(spot(path, place.path(), fd.during(during)?))
    }

    /// Opens the file at `path` (O_PATH), or creates an empty one. Refuses a final symbolic link: its target is not the file that was named.
    pub fn make_file_in_place(&self, path: &str) -> Result<Spot, Failure> {
        let during = || format!("make file {path:?} in the rootfs");
        let place = self.place(path)?;
        let fd = make_file_at(place.parent.as_fd(), &place.name).during(during)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&fd).during(during)?.st_mode) == FileType::Symlink {
            return Err(Failure::new(FailureCode::Other, during(), "a symbolic link is there"));
        }
        Ok(spot(path, place.path(), fd))
    }

    /// The parent directory of `path`, created if missing, and the last component.
    pub fn place(&self, path: &str) -> Result<Place, Failure> {
        let trimmed = path.trim_end_matches('/');
        let (parent, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
        if matches!(name, "" | "." | "..") {
            return Err(Failure::new(FailureCode::BadRequest, format!("resolve {path:?} in the rootfs"), "no name at its end"));
        }
        let parent = match self.last_parent.take() {
            Some(last) if last.0 == parent => last,
            _ => (parent.to_owned(), Rc::new(self.make_directory(if parent.is_empty() { "/" } else { parent })?)),
        };
        let place = Place { parent: Rc::clone(&parent.1), name: name.to_owned() };
        self.last_parent.replace(Some(parent));
        Ok(place)
    }
}

/// Opens the directory with this name (O_PATH), or creates it. A symbolic link is not followed.
fn make_directory_at(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the file with this name (O_PATH), or creates an empty one. A symbolic link is not followed.
fn make_file_at(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
    match rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    rustix::fs::openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn open_at(base: BorrowedFd<'_>, path: &str, flags: OFlags, more: ResolveFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    // EAGAIN: a rename raced with a `..` (openat2(2)).
    for _ in 0..64 {
        match rustix::fs::openat2(base, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Whether a path is absolute and without `.`, `..` and empty components. The root is `/` or empty.
fn is_plain(path: &str) -> bool {
    matches!(path, "" | "/") || path.strip_prefix('/').is_some_and(|path| path.split('/').all(|component| !matches!(component, "" | "." | "..")))
}

/// A mount point opened by `path`, which symbolic links lead to `real`.
fn spot(path: &str, real: String, fd: OwnedFd) -> Spot {
    let alias = (real != path && is_plain(path)).then(|| path.to_owned());
    Spot { fd, path: real, alias }
}
