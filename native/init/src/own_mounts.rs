//! The mounts that were made in a rootfs, by their paths in the container.
//!
//! A process outside of the container may rename directories of the rootfs while the container is created, even mount points: the mount moves along
//! (renameat2(2), RENAME_EXCHANGE). So a path below a mount is resolved from the descriptor that was kept when the mount was attached. It is then found
//! wherever the mount is, and never in another file system.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The mounts, without those that a later one covers.
#[derive(Default)]
pub struct OwnMounts(Vec<OwnMount>);

struct OwnMount {
    /// Where it was attached, without symbolic links.
    path: String,
    /// The path in config.json, if symbolic links lead from it to `path`. It names this mount even if a link is changed later.
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

    /// The innermost mount that contains a path, and the rest of the path in it; empty for the root of the mount.
    pub fn containing<'p>(&self, path: &'p str) -> Option<(BorrowedFd<'_>, &'p str)> {
        let names = self.0.iter().flat_map(|own| own.alias.iter().chain([&own.path]).map(move |name| (own, name)));
        let found = names.filter_map(|(own, name)| below(path, name).map(|rest| (own.mount.as_fd(), rest)));
        found.min_by_key(|(_, rest)| rest.len())
    }

    /// Path and descriptor of each mount.
    pub fn iter(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.0.iter().map(|own| (own.path.as_str(), own.mount.as_fd()))
    }

    /// Replaces the mount at `path` by one that was mounted on top of it.
    pub fn cover(&mut self, path: &str, mount: OwnedFd) {
        let Some(index) = self.0.iter().position(|own| own.path == path) else { return };
        let alias = self.0[index].alias.take();
        self.add(path.to_owned(), alias, mount);
    }
}

/// The rest of `path` relative to `directory`; both absolute and without `.`, `..` or empty components.
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
        fn containing<'p>(&self, path: &'p str) -> Option<(&'static str, &'p str)> {
            let (fd, rest) = self.mounts.containing(path)?;
            let (_, name) = self.numbers.iter().rev().find(|(number, _)| *number == fd.as_raw_fd())?;
            Some((name, rest))
        }
    }

    #[test]
    fn the_innermost_mount_contains_a_path() {
        let made = made(&[("/dev", None), ("/dev/pts", None), ("/proc", None)]);
        assert_eq!(made.containing("/dev/pts/ptmx"), Some(("/dev/pts", "ptmx")));
        assert_eq!(made.containing("/dev/null"), Some(("/dev", "null")));
        assert_eq!(made.containing("/proc"), Some(("/proc", "")));
        assert_eq!(made.containing("/process"), None);
        assert_eq!(made.containing("/"), None);
    }

    #[test]
    fn a_mount_covers_those_at_and_below_its_path() {
        let made = made(&[("/a/b", None), ("/a/b/c", None), ("/x", Some("/a/link")), ("/a", None)]);
        assert_eq!(made.containing("/a/b/c/d"), Some(("/a", "b/c/d")));
        assert_eq!(made.containing("/a/link"), Some(("/a", "link")));
        assert_eq!(made.containing("/x/y"), Some(("/x", "y")));
    }

    #[test]
    fn a_mount_is_found_by_the_path_in_the_configuration_too() {
        let made = made(&[("/run/secrets", Some("/var/run/secrets"))]);
        assert_eq!(made.containing("/var/run/secrets/token"), Some(("/run/secrets", "token")));
        assert_eq!(made.containing("/run/secrets/token"), Some(("/run/secrets", "token")));
    }

    #[test]
    fn a_covering_mount_replaces_the_covered_one() {
        let mut made = made(&[("/a", Some("/link")), ("/a/b", None)]);
        let top = some_file();
        made.numbers.push((top.as_raw_fd(), "top"));
        made.mounts.cover("/a", top);
        assert_eq!(made.containing("/a/b/c"), Some(("top", "b/c")));
        assert_eq!(made.containing("/link/c"), Some(("top", "c")));
    }
}
