//! The container's mounts, made by descriptors from source to destination (fsopen(2), open_tree(2), move_mount(2)). Runs in the container's mount
//! namespace.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountAttribute, MountAttributes, MountSource, MountTarget, Propagation, SourceLink};
use tsrunc_sys::errno::During;

use crate::attach::attach;
use crate::attributes::set_attributes;
use crate::copy_up::copy_up;
use crate::file_system::NewFileSystem;
use crate::kernel_files::PROC_SUPER_MAGIC;
use crate::legacy_mount::{new_file_system_with_any_options, reconfigure};
use crate::root::{Root, Spot};
use tsrunc_common::clones::clone_path;
use tsrunc_common::propagation::set_propagation;

/// One entry of config.json's `mounts`.
pub struct Mount<'a> {
    pub destination: &'a str,
    pub source: &'a MountSource,
    pub target: MountTarget,
    pub in_place: bool,
    /// The source is a path in another mount namespace: use only the clone that the creator made.
    pub require_creator_clone: bool,
    pub attributes: &'a MountAttributes,
    pub recursive: &'a MountAttributes,
    pub propagation: &'a [Propagation],
    pub pointer: &'a str,
}

/// Mounts one entry below `root`. `creator_clone`: the creator's clone of its source, if there is one.
pub fn mount(root: &mut Root, entry: &Mount<'_>, creator_clone: Option<&OwnedFd>) -> Result<(), Failure> {
    let during = || format!("mount {} on {:?}{}", describe(entry.source), entry.destination, in_config(entry.pointer));
    if let MountSource::Remount { bind, data } = entry.source {
        return remount(root, entry, *bind, data).map_err(|failure| within(failure, during));
    }
    let mount = detached(root, entry, creator_clone, &during)?;
    if let MountSource::Bind { link: SourceLink::Copy, .. } | MountSource::MappedBind { link: SourceLink::Copy, .. } = entry.source {
        if FileType::from_raw_mode(rustix::fs::fstat(&mount).during(during)?.st_mode) == FileType::Symlink {
            return make_same_link(root, entry.destination, &mount).map_err(|failure| within(failure, during));
        }
    }
    let destination = destination(root, entry, mount.as_fd()).map_err(|failure| within(failure, during))?;
    if let MountSource::CopyUp { data, .. } = entry.source {
        copy_covered(destination.as_fd(), mount.as_fd(), data).map_err(|failure| within(failure, during))?;
    }
    set_attributes(&mount, entry.recursive, true).map_err(|failure| within(failure, during))?;
    attach(mount.as_fd(), destination.as_fd()).during(during)?;
    let mount = root.keep_mount(destination, mount);
    for propagation in entry.propagation {
        set_propagation(mount, *propagation).during(during)?;
    }
    Ok(())
}

/// The detached mount for an entry, with its attributes set.
fn detached(root: &Root, entry: &Mount<'_>, creator_clone: Option<&OwnedFd>, during: &dyn Fn() -> String) -> Result<OwnedFd, Failure> {
    let bad = |cause: &str| Failure::new(FailureCode::BadRequest, during(), cause);
    let copy_of = |creator_clone: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(creator_clone, 3);
    let clone = match entry.source {
        MountSource::FileSystem { fs_type, source, data } => {
            return file_system(root, entry, (fs_type, source, data)).map_err(|failure| within(failure, during))
        }
        MountSource::CopyUp { source, data } => return file_system(root, entry, ("tmpfs", source, data)).map_err(|failure| within(failure, during)),
        MountSource::Bind { .. } if entry.require_creator_clone => copy_of(creator_clone.ok_or_else(|| bad("the creator did not make its clone"))?),
        MountSource::Bind { source, recursive, link } => match (clone_path(source.as_bytes(), *recursive, *link), creator_clone) {
            // The root user of a user namespace may lack permission to reach it.
            (Err(Errno::ACCESS | Errno::PERM), Some(creator_clone)) => copy_of(creator_clone),
            (result, _) => result,
        },
        MountSource::MappedBind { .. } => copy_of(creator_clone.ok_or_else(|| bad("the creator did not make its clone"))?),
        MountSource::Remount { .. } => return Err(bad("nothing to mount")),
    }
    .during(during)?;
    set_attributes(&clone, entry.attributes, false).map_err(|failure| within(failure, during))?;
    Ok(clone)
}

/// Creates the file system of an entry.
fn file_system(root: &Root, entry: &Mount<'_>, (fs_type, source, data): (&str, &str, &[String])) -> Result<OwnedFd, Failure> {
    let mut data = Cow::Borrowed(data);
    if fs_type == "tmpfs" && !has_option(&data, "mode") {
        // A tmpfs gets the mode of the directory that it covers. If that does not exist yet, it keeps the default, 1777.
        if let Ok(covered) = root.open(entry.destination, OFlags::PATH | OFlags::DIRECTORY).and_then(rustix::fs::fstat) {
            data.to_mut().push(format!("mode={:o}", covered.st_mode & 0o7777));
        }
    }
    new_file_system_with_any_options(&NewFileSystem { fs_type, source, data: &data, attributes: entry.attributes }, root.fd())
}

fn has_option(data: &[String], name: &str) -> bool {
    data.iter().any(|option| option.strip_prefix(name).is_some_and(|value| value.starts_with('=')))
}

/// The JSON pointer in parentheses, for errors; empty for what config.json does not name.
pub fn in_config(pointer: &str) -> String {
    if pointer.is_empty() {
        return String::new();
    }
    format!(" ({pointer})")
}

fn describe(source: &MountSource) -> String {
    match source {
        MountSource::FileSystem { fs_type, .. } => format!("{fs_type:?}"),
        MountSource::CopyUp { .. } => "\"tmpfs\"".into(),
        MountSource::Bind { source, .. } | MountSource::MappedBind { source, .. } => format!("{source:?}"),
        MountSource::Remount { .. } => "remount".into(),
    }
}

/// Prefixes a failure with an outer operation.
fn within(failure: Failure, operation: impl FnOnce() -> String) -> Failure {
    Failure { cause: failure.to_string(), operation: operation(), ..failure }
}

/// Opens the mount point; the runtime creates a missing one (runtime-spec config.md#mounts).
fn destination(root: &Root, entry: &Mount<'_>, mount: BorrowedFd<'_>) -> Result<Spot, Failure> {
    let path = entry.destination;
    let during = || format!("open {path:?} in the rootfs");
    let on_proc_or_sys = matches!(entry.source, MountSource::FileSystem { fs_type, .. } if matches!(fs_type.as_str(), "proc" | "sysfs"));
    let directory = match entry.target {
        MountTarget::Directory => true,
        MountTarget::LikeSource => FileType::from_raw_mode(rustix::fs::fstat(mount).during(during)?.st_mode) == FileType::Directory,
    };
    let found = if on_proc_or_sys {
        // /proc and /sys must not be symbolic links of the image (CVE-2019-19921, CVE-2023-27561).
        root.make_directory_without_links(path)?
    } else if entry.in_place {
        root.make_in_place(path, directory)?
    } else {
        root.make_below(path, directory)?
    };
    if !directory && FileType::from_raw_mode(rustix::fs::fstat(&found).during(during)?.st_mode) == FileType::Directory {
        return Err(Errno::NOTDIR).during(during);
    }
    // A symbolic link must not lead a mount into /proc, where it would hide or fake kernel files (CVE-2019-16884). The core has checked
    // destinations that name /proc against a list.
    if !is_below(path, "/proc") && rustix::fs::fstatfs(&found).during(during)?.f_type as u64 == PROC_SUPER_MAGIC {
        return Err(Failure::new(FailureCode::Other, during(), "it leads into /proc"));
    }
    Ok(found)
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Copies the directory that a tmpfs will cover into the tmpfs. `destination` has made sure that it is neither / nor below /proc: a symbolic link of
/// the image must not make us copy /proc/kcore.
fn copy_covered(covered: BorrowedFd<'_>, tmpfs: BorrowedFd<'_>, data: &[String]) -> Result<(), Failure> {
    let owner = !has_option(data, "uid") && !has_option(data, "gid");
    copy_up(covered, tmpfs, owner)
}

/// Makes a symbolic link with the target of `link`. The same link may exist already.
fn make_same_link(root: &Root, path: &str, link: &OwnedFd) -> Result<(), Failure> {
    let during = || format!("make the symbolic link {path:?} in the rootfs");
    let target = rustix::fs::readlinkat(link, "", Vec::new()).during(during)?;
    let place = root.place(path)?;
    match rustix::fs::symlinkat(target.as_c_str(), &place.parent, &place.name) {
        Err(Errno::EXIST) => {}
        result => return result.during(during),
    }
    let cause = match rustix::fs::readlinkat(&place.parent, &place.name, Vec::new()) {
        Ok(text) if text == target => return Ok(()),
        Ok(text) => format!("a symbolic link to {text:?} is there"),
        Err(Errno::INVAL) => "something else is there".into(),
        Err(errno) => return Err(errno).during(during),
    };
    Err(Failure::new(FailureCode::Exists, during(), cause))
}

fn remount(root: &Root, entry: &Mount<'_>, bind: bool, data: &[String]) -> Result<(), Failure> {
    let at = root.open(entry.destination, OFlags::PATH).during(|| format!("open {:?} in the rootfs", entry.destination))?;
    if !bind {
        reconfigure(at.as_fd(), data, entry.attributes.set.contains(&MountAttribute::Ro))?;
    }
    set_attributes(&at, entry.attributes, false)?;
    set_attributes(&at, entry.recursive, true)?;
    for propagation in entry.propagation {
        set_propagation(&at, *propagation).during(|| "set propagation".into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_below_compares_whole_names() {
        assert!(is_below("/proc", "/proc") && is_below("/proc/uptime", "/proc"));
        assert!(!is_below("/process", "/proc"));
    }
}
