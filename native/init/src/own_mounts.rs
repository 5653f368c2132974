//! The mounts that were made in a rootfs, by their paths in the container.
//!
//! Whoever reaches the rootfs from outside may rename its directories while a container is created, also those that are
//! mounted on: the mount moves along (renameat2(2), RENAME_EXCHANGE). What lies below a mount is therefore looked up from the
//! descriptor that was kept when it was attached, so that it is found wherever the mount went, and in no other file system.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Mounts that no later one covers.
#[derive(Default)]
pub struct OwnMounts(Vec<OwnMount>);

struct OwnMount {
    /// Where it was attached; no link on the way.
    path: String,
    /// The path in config.json where links lead from there to `path`: it means this mount even when a link changes.
    alias: Option<String>,
    mount: OwnedFd,
}

impl OwnMounts {
    /// Adds a mount that was attached at `path`. Returns its descriptor.
    pub fn add(&mut self, path: String, alias: Option<String>, mount: OwnedFd) -> BorrowedFd<'_> {
        self.forget(&path);
        self.0.push(OwnMount { path, alias, mount });
        self.0[self.0.len() - 1].mount.as_fd()
    }

    /// Forgets the mounts at and below a path.
    pub fn forget(&mut self, path: &str) {
        self.0.retain_mut(|own| {
            own.alias.take_if(|alias| below(alias, path).is_some());
            below(&own.path, path).is_none()
        });
    }

    /// The innermost mount that holds a path, and the rest of the path in it, empty for the root of the mount.
    pub fn holding<'p>(&self, path: &'p str) -> Option<(BorrowedFd<'_>, &'p str)> {
        let names = self.0.iter().flat_map(|own| own.alias.iter().chain([&own.path]).map(move |name| (own, name)));
        let found = names.filter_map(|(own, name)| below(path, name).map(|rest| (own.mount.as_fd(), rest)));
        found.min_by_key(|(_, rest)| rest.len())
    }

    /// Path and descriptor of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.0.iter().map(|own| (own.path.as_str(), own.mount.as_fd()))
    }

    /// Replaces the descriptor of the mount at `path` by that of one that lies on it.
    pub fn cover(&mut self, path: &str, mount: OwnedFd) {
        let Some(index) = self.0.iter().position(|own| own.path == path) else { return };
        let alias = self.0[index].alias.take();
        self.add(path.to_owned(), alias, mount);
    }
}

/// What is left of `path` in `directory`; both absolute and without `.`, `..` or empty components.
fn below<'p>(path: &'p str, directory: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn some_file() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    struct Made {
        mounts: OwnMounts,
        numbers: Vec<(i32, &'static str)>,
    }

    fn made(entries: &[(&'static str, Option<&str>)]) -> Made {
        let mut mounts = OwnMounts::default();
        let numbers = entries.iter().map(|(path, alias)| (mounts.add((*path).into(), alias.map(str::to_owned), some_file()).as_raw_fd(), *path)).collect();
        Made { mounts, numbers }
    }

    impl Made {
        fn holding<'p>(&self, path: &'p str) -> Option<(&'static str, &'p str)> {
            let (fd, rest) = self.mounts.holding(path)?;
            let (_, name) = self.numbers.iter().rev().find(|(number, _)| *number == fd.as_raw_fd())?;
            Some((name, rest))
        }
    }

    #[test]
    fn the_innermost_mount_holds_a_path() {
        let made = made(&[("/dev", None), ("/dev/pts", None), ("/proc", None)]);
        assert_eq!(made.holding("/dev/pts/ptmx"), Some(("/dev/pts", "ptmx")));
        assert_eq!(made.holding("/dev/null"), Some(("/dev", "null")));
        assert_eq!(made.holding("/proc"), Some(("/proc", "")));
        assert_eq!(made.holding("/process"), None);
        assert_eq!(made.holding("/"), None);
    }

    #[test]
    fn a_mount_covers_those_at_and_below_its_path() {
        let made = made(&[("/a/b", None), ("/a/b/c", None), ("/x", Some("/a/link")), ("/a", None)]);
        assert_eq!(made.holding("/a/b/c/d"), Some(("/a", "b/c/d")));
        assert_eq!(made.holding("/a/link"), Some(("/a", "link")));
        assert_eq!(made.holding("/x/y"), Some(("/x", "y")));
    }

    #[test]
    fn a_mount_is_found_by_the_path_in_the_configuration_too() {
        let made = made(&[("/run/secrets", Some("/var/run/secrets"))]);
        assert_eq!(made.holding("/var/run/secrets/token"), Some(("/run/secrets", "token")));
        assert_eq!(made.holding("/run/secrets/token"), Some(("/run/secrets", "token")));
    }

    #[test]
    fn what_covers_a_mount_takes_its_place() {
        let mut made = made(&[("/a", Some("/link")), ("/a/b", None)]);
        let top = some_file();
        made.numbers.push((top.as_raw_fd(), "top"));
        made.mounts.cover("/a", top);
        assert_eq!(made.holding("/a/b/c"), Some(("top", "b/c")));
        assert_eq!(made.holding("/link/c"), Some(("top", "c")));
    }
}
