//! Mounts and unmounts in a running container (`mounts add`, `mounts remove`). As with `exec`, this process is undumpable and has closed the caller's
//! descriptors before it joins the container's namespaces. It is privileged, so it stays out of the container's pid namespace, where it could be traced,
//! unless a mount needs a procfs of that namespace.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use tsrunc_common::clones::clone_mount;
use tsrunc_common::mountinfo;
use tsrunc_common::protocol::{unexpected, Channel, FromInit, MountsStart};
use tsrunc_plan::container::{MountPoint, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountSource, Operation};
use tsrunc_sys::errno::During;
use tsrunc_sys::process as sys;

use crate::attach::attach;
use crate::exec_namespaces::{continue_in_child, enter};
use crate::kernel_files::label_file;
use crate::launch::{take_source_clones, Never};
use crate::mounts::{in_config, mount, Mount};
use crate::root::{Place, Root};

/// `received`: the descriptors of the message, in the order of protocol.rs.
pub fn change_mounts(channel: &Channel, start: &MountsStart<'_>, received: Vec<OwnedFd>) -> Result<Never, Failure> {
    let mut received = received.into_iter();
    let missing = || unexpected("a descriptor");
    let init = received.next().ok_or_else(missing)?;
    let root = if start.chroot { Some(received.next().ok_or_else(missing)?) } else { None };
    let mut open = vec![channel.socket().as_raw_fd(), init.as_raw_fd()];
    open.extend(root.iter().map(AsRawFd::as_raw_fd));
    open.extend(start.source_clones.iter().map(|(_, number)| number));
    sys::close_all_but(&open).during(|| "close the caller's descriptors".into())?;
    let source_clones = take_source_clones(&start.source_clones)?;
    enter(&start.namespaces, init, root)?;
    if start.namespaces.contains(&Namespace::Pid) && start.add.iter().any(needs_pid_namespace) {
        continue_in_child(channel)?;
    }
    rustix::process::umask(Mode::empty());
    add(&mut Root::of_process()?, &start.add, &source_clones)?;
    remove(&Root::of_process()?, &start.remove)?;
    channel.send(&FromInit::Ready)?;
    std::process::exit(0);
}

/// A procfs shows the pid namespace of the process that mounts it. Copying extended attributes takes /proc/self of the container's procfs.
fn needs_pid_namespace(operation: &Operation) -> bool {
    match operation {
        Operation::Mount { source: MountSource::FileSystem { fs_type, .. }, .. } => fs_type == "proc",
        Operation::Mount { source: MountSource::CopyUp { .. }, .. } => true,
        _ => false,
    }
}

/// Makes all mounts or, after a failure, none.
fn add(root: &mut Root, operations: &[Operation], source_clones: &BTreeMap<usize, OwnedFd>) -> Result<(), Failure> {
    root.record_mounts();
    for (index, operation) in operations.iter().enumerate() {
        if let Err(failure) = execute(root, operation, source_clones.get(&index)) {
            return Err(unmount_added(root, failure));
        }
    }
    Ok(())
}

fn execute(root: &mut Root, operation: &Operation, creator_clone: Option<&OwnedFd>) -> Result<(), Failure> {
    match operation {
        Operation::Mount { destination, source, target, in_place, attributes, recursive, propagation, pointer } => {
            let entry =
                Mount { destination, source, target: *target, in_place: *in_place, attributes, recursive, propagation, pointer, require_creator_clone: true };
            mount(root, &entry, creator_clone)
        }
        Operation::Label { path, label } => label_file(root, path, label),
        _ => Err(Failure::new(FailureCode::BadRequest, "mount", "not a mount")),
    }
}

/// Unmounts the mounts that were made, in reverse order.
fn unmount_added(root: &Root, failure: Failure) -> Failure {
    let undone = root.recorded_mounts().iter().rev().try_for_each(|(path, mount)| {
        let place = root.place(path)?;
        unmount_at(&place, mountinfo::place_of(mount).during(|| format!("look at {path:?}"))?.0).during(|| format!("unmount {path:?}"))
    });
    failure.after_undoing(undone)
}

/// A mount that was removed.
struct Removed<'a> {
    point: &'a MountPoint,
    /// A clone of it and of the mounts below it, to put it back.
    clone: OwnedFd,
}

/// Unmounts all points or, after a failure, none. The deepest goes first, so the order of the list does not matter.
fn remove(root: &Root, points: &[MountPoint]) -> Result<(), Failure> {
    // Find most errors before anything is changed.
    for point in points {
        find(root, point)?;
    }
    let mut deepest_first: Vec<&MountPoint> = points.iter().collect();
    deepest_first.sort_by_key(|point| std::cmp::Reverse(point.path.matches('/').count()));
    let mut removed = Vec::new();
    for point in deepest_first {
        match remove_one(root, point) {
            Ok(one) => removed.push(one),
            Err(failure) => return Err(put_back(root, &removed, failure)),
        }
    }
    Ok(())
}

fn remove_one<'a>(root: &Root, point: &'a MountPoint) -> Result<Removed<'a>, Failure> {
    let during = || unmounting(point);
    let Mounted { place, top, id } = find(root, point)?;
    let clone = clone_mount(top.as_fd(), true).during(during)?;
    unmount_at(&place, id).during(during)?;
    Ok(Removed { point, clone })
}

/// Mounts what was removed again, in reverse order. Each mount point is looked up again, because it may be in a mount that was put back just before.
fn put_back(root: &Root, removed: &[Removed<'_>], failure: Failure) -> Failure {
    let undone = removed.iter().rev().try_for_each(|Removed { point, clone }| {
        let place = root.existing_place(&point.path).and_then(|place| open_name(&place));
        place.and_then(|place| attach(clone.as_fd(), place.as_fd())).during(|| format!("mount {:?} again", point.path))
    });
    failure.after_undoing(undone)
}

fn unmounting(point: &MountPoint) -> String {
    format!("unmount {:?}{}", point.path, in_config(&point.pointer))
}

/// The topmost mount at a mount point.
struct Mounted {
    place: Place,
    top: OwnedFd,
    id: u64,
}

fn find(root: &Root, point: &MountPoint) -> Result<Mounted, Failure> {
    let during = || unmounting(point);
    let place = root.existing_place(&point.path).during(during)?;
    let top = open_name(&place).during(during)?;
    let id = mountinfo::place_of(&top).during(during)?.0;
    if mountinfo::place_of(&place.parent).during(during)?.0 == id {
        return Err(Failure::new(FailureCode::NotFound, during(), "nothing is mounted there"));
    }
    Ok(Mounted { place, top, id })
}

fn open_name(place: &Place) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(&place.parent, &place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Unmounts the topmost mount at a place, if it is the one with that id. umount2(2) takes only a path, so it gets a single name, relative to the
/// opened parent directory.
fn unmount_at(place: &Place, id: u64) -> Result<(), Errno> {
    if mountinfo::place_of(open_name(place)?)?.0 != id {
        return Err(Errno::BUSY); // another mount was made on it meanwhile
    }
    rustix::process::fchdir(place.parent.as_fd())?;
    let result = unmount(place.name.as_str(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    rustix::process::chdir("/")?;
    result
}
