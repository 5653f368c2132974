//! Detached clones of mounts (open_tree(2)): the sources of bind mounts.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{open_tree, OpenTreeFlags};
use tsrunc_plan::operation::SourceLink;

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

/// Clones the mount at a path in this process's mount namespace. A final symbolic link is followed unless `link` asks for the link itself.
pub fn clone_path(path: &[u8], recursive: bool, link: SourceLink) -> Result<OwnedFd, Errno> {
    let nofollow = if link == SourceLink::Follow { OpenTreeFlags::empty() } else { OpenTreeFlags::AT_SYMLINK_NOFOLLOW };
    open_tree(rustix::fs::CWD, path, CLONE | nofollow | below(recursive))
}

/// Clones the mount at a descriptor.
pub fn clone_mount(at: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    open_tree(at, "", CLONE | OpenTreeFlags::AT_EMPTY_PATH | below(recursive))
}

fn below(recursive: bool) -> OpenTreeFlags {
    if recursive {
        OpenTreeFlags::AT_RECURSIVE
    } else {
        OpenTreeFlags::empty()
    }
}
