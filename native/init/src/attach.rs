//! Attaches detached mounts (move_mount(2)).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::mount::{move_mount, MoveMountFlags};

/// Attaches the detached mount `mount` at the file or directory `on`.
pub fn attach(mount: BorrowedFd<'_>, on: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(mount, "", on, "", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH)
}
