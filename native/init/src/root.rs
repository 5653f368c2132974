//! Paths inside the container's rootfs, resolved by descriptor and never by a path of the host (CVE-2021-30465,
//! CVE-2024-45310): symbolic links, absolute ones and `..` stay below the rootfs.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::mountinfo;

/// Symbolic links followed by hand when directories are made, as many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The container's root directory.
pub struct Root {
    directory: OwnedFd,
    /// The directory of the last place, by its path: devices and links are made one after the other in /dev.
    last_parent: RefCell<Option<(String, Rc<OwnedFd>)>>,
}

/// A directory of the container and the name of something in it.
pub struct Place {
    pub parent: Rc<OwnedFd>,
    pub name: String,
}

impl Root {
    pub fn new(directory: OwnedFd) -> Self {
        Root { directory, last_parent: RefCell::new(None) }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// To be called when a mount may have covered a directory.
    pub fn mounts_changed(&self) {
        self.last_parent.take();
    }

    /// Opens `path` below the root, links followed, magic links refused.
    pub fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.resolve(path, flags, ResolveFlags::empty())
    }

    /// Opens `path` below the root; a symbolic link anywhere in it is `ELOOP`.
    pub fn open_without_links(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.resolve(path, flags, ResolveFlags::NO_SYMLINKS)
    }

    fn resolve(&self, path: &str, flags: OFlags, more: ResolveFlags) -> Result<OwnedFd, Errno> {
        let relative = match path.trim_start_matches('/') {
            "" => ".",
            relative => relative,
        };
        // EAGAIN: a rename elsewhere raced with a `..`; openat2(2) says to try again.
        for _ in 0..64 {
            match rustix::fs::openat2(
                &self.directory,
                relative,
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more,
            ) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens what is at `path` (O_PATH), or makes it: a directory or an empty file. The root itself is refused, which only links lead
    /// to: so without one on the way this takes no more calls than `make_directory` and `make_file`.
    pub fn make_below(&self, path: &str, directory: bool) -> Result<OwnedFd, Failure> {
        let during = || format!("open {path:?} in the rootfs");
        let flags = if directory { OFlags::PATH | OFlags::DIRECTORY } else { OFlags::PATH };
        match (self.open_without_links(path, flags), directory) {
            (Ok(found), _) => return Ok(found),
            (Err(Errno::NOENT), true) => return self.make_missing_directory(path, 0),
            (Err(Errno::NOENT), false) => return self.make_missing_file(path),
            _ => {}
        }
        let found = if directory { self.make_directory(path)? } else { self.make_file(path)? };
        let (whole, part) = (mountinfo::place_of(&self.directory).during(during)?, mountinfo::place_of(&found).during(during)?);
        if whole == part {
            return Err(Failure::new(FailureCode::Other, during(), "it leads to /"));
        }
        Ok(found)
    }

    /// Opens the directory `path` (O_PATH), making what is missing of it with mode 0755.
    ///
    /// # Errors
    /// `ENOTDIR` where something else is in the way; the path is in the message.
    pub fn make_directory(&self, path: &str) -> Result<OwnedFd, Failure> {
        self.make_directory_following(path, 0)
    }

    fn make_directory_following(&self, path: &str, links: usize) -> Result<OwnedFd, Failure> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => self.make_missing_directory(path, links),
            result => result.during(|| format!("make directory {path:?} in the rootfs")),
        }
    }

    fn make_missing_directory(&self, path: &str, links: usize) -> Result<OwnedFd, Failure> {
        let during = || format!("make directory {path:?} in the rootfs");
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        if let Some(made) = self.make_last(path).during(during)? {
            return Ok(made);
        }
        if links > MAX_LINKS {
            return Err(Errno::LOOP).during(during);
        }
        let mut directory = self.open("/", flags).during(during)?;
        let mut done = String::new();
        let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        for (index, component) in components.iter().enumerate() {
            let next = format!("{done}/{component}");
            directory = match self.open(&next, flags) {
                Ok(found) => found,
                Err(Errno::NOENT) if *component == ".." => return Err(Errno::NOENT).during(during),
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&directory, *component, Mode::from_raw_mode(0o755)) {
                        Ok(()) => {}
                        Err(Errno::EXIST) => {
                            // Somebody else made it, or a link that leads nowhere yet: make where it leads.
                            if let Ok(target) = rustix::fs::readlinkat(&directory, *component, Vec::new()) {
                                let target = target.to_str().map_err(|_| Failure::new(FailureCode::Other, during(), "a link that is not UTF-8"))?;
                                let base = if target.starts_with('/') { String::new() } else { done.clone() };
                                let rest = components[index + 1..].join("/");
                                return self.make_directory_following(&format!("{base}/{target}/{rest}"), links + 1);
                            }
                        }
                        Err(errno) => return Err(errno).during(during),
                    }
                    self.open(&next, flags).during(during)?
                }
                Err(errno) => return Err(errno).during(during),
            };
            done = next;
        }
        Ok(directory)
    }

    /// The common case: only the last directory of the path is missing. None where more is to be made or a link to be followed.
    fn make_last(&self, path: &str) -> Result<Option<OwnedFd>, Errno> {
        let Some((parent, name)) = path.trim_end_matches('/').rsplit_once('/') else { return Ok(None) };
        if matches!(name, "" | "." | "..") {
            return Ok(None);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let parent = match self.open(parent, flags) {
            Err(Errno::NOENT) => return Ok(None),
            result => result?,
        };
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => return Ok(None),
            result => result?,
        }
        // Without following: a link that somebody put there meanwhile leads nowhere.
        rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map(Some)
    }

    /// The directory that holds `path`, made when missing, and the last name.
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

    /// Opens what `path` leads to (O_PATH), or makes an empty file there. A link that leads nowhere yet is followed by hand: images
    /// have /etc/resolv.conf lead below /run.
    pub fn make_file(&self, path: &str) -> Result<OwnedFd, Failure> {
        match self.open(path, OFlags::PATH) {
            Err(Errno::NOENT) => self.make_missing_file(path),
            result => result.during(|| format!("make file {path:?} in the rootfs")),
        }
    }

    fn make_missing_file(&self, path: &str) -> Result<OwnedFd, Failure> {
        let during = || format!("make file {path:?} in the rootfs");
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
        let mut at = path.to_owned();
        for _ in 0..=MAX_LINKS {
            let place = self.place(&at)?;
            match rustix::fs::openat(&*place.parent, place.name.as_str(), flags, Mode::from_raw_mode(0o644)) {
                Ok(_) => return self.open(path, OFlags::PATH).during(during),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).during(during),
            }
            let target = rustix::fs::readlinkat(&*place.parent, place.name.as_str(), Vec::new()).during(during)?;
            let target = target.to_str().map_err(|_| Failure::new(FailureCode::Other, during(), "a link that is not UTF-8"))?;
            let base = if target.starts_with('/') { "" } else { at.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent) };
            at = format!("{base}/{target}");
        }
        Err(Errno::LOOP).during(during)
    }
}
