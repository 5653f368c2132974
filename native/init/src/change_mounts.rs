//! Mounts that a container gets, or loses, while it runs (`mounts add`, `mounts remove`). As with `exec`, this process is undumpable and has no
//! descriptor of the caller's before it joins the container's namespaces. It has all privilege, so it stays out of the container's pid namespace, where
//! somebody may trace: but for what takes a procfs of that namespace.

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

use crate::exec::{enter, go_on_in_child};
use crate::gate::Never;
use crate::mounts::{attach, in_config, mount, Mount};
use crate::root::{Place, Root};

/// `received`: what came with the message, in the order that protocol.rs gives.
pub fn change_mounts(channel: &Channel, start: &MountsStart<'_>, received: Vec<OwnedFd>) -> Result<Never, Failure> {
    let mut received = received.into_iter();
    let missing = || unexpected("a descriptor");
    let init = received.next().ok_or_else(missing)?;
    let root = if start.chroot { Some(received.next().ok_or_else(missing)?) } else { None };
    let mut open = vec![channel.socket().as_raw_fd(), init.as_raw_fd()];
    open.extend(root.iter().map(AsRawFd::as_raw_fd));
    open.extend(start.lent_mounts.iter().map(|(_, number)| number));
    sys::close_all_but(&open).during(|| "close the caller's descriptors".into())?;
    let lent = |&(operation, number): &(usize, i32)| sys::inherited(number).map(|fd| (operation, fd));
    let lent = start.lent_mounts.iter().map(lent).collect::<Result<BTreeMap<usize, OwnedFd>, _>>().during(|| "take over bind sources".into())?;
    enter(&start.namespaces, init, root)?;
    if start.namespaces.contains(&Namespace::Pid) && start.add.iter().any(takes_procfs) {
        go_on_in_child(channel)?;
    }
    rustix::process::umask(Mode::empty());
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(|| "open \"/\"".into())?;
    add(&mut Root::new(root), &start.add, &lent)?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(|| "open \"/\"".into())?;
    remove(&Root::new(root), &start.remove)?;
    channel.send(&FromInit::Ready)?;
    std::process::exit(0);
}

/// A procfs shows the pid namespace of who mounts it; copies of extended attributes are made by paths in the one of the container.
fn takes_procfs(operation: &Operation) -> bool {
    match operation {
        Operation::Mount { source: MountSource::FileSystem { fs_type, .. }, .. } => fs_type == "proc",
        Operation::Mount { source: MountSource::CopyUp { .. }, .. } => true,
        _ => false,
    }
}

/// Makes all the mounts, or none.
fn add(root: &mut Root, operations: &[Operation], lent: &BTreeMap<usize, OwnedFd>) -> Result<(), Failure> {
    root.record_mounts();
    for (index, operation) in operations.iter().enumerate() {
        let Operation::Mount { destination, source, target, in_place, attributes, recursive, propagation, pointer } = operation else {
            return Err(Failure::new(FailureCode::BadRequest, "mount", "not a mount"));
        };
        let entry = Mount { destination, source, target: *target, in_place: *in_place, attributes, recursive, propagation, pointer, lent_only: true };
        if let Err(failure) = mount(root, &entry, lent.get(&index)) {
            return Err(take_back(root, failure));
        }
    }
    Ok(())
}

/// Unmounts what was mounted, the last first.
fn take_back(root: &Root, failure: Failure) -> Failure {
    let undone = root.recorded_mounts().iter().rev().try_for_each(|(path, mount)| {
        let place = root.place(path)?;
        unmount_at(&place, mountinfo::place_of(mount).during(|| format!("look at {path:?}"))?.0).during(|| format!("unmount {path:?}"))
    });
    match undone {
        Ok(()) => failure,
        Err(second) => Failure { cause: format!("{}; undoing it failed too: {second}", failure.cause), ..failure },
    }
}

/// Something that is mounted at a place.
struct Mounted<'a> {
    point: &'a MountPoint,
    place: Place,
    id: u64,
    /// To mount it again.
    clone: OwnedFd,
}

/// Unmounts at all the places, or at none.
fn remove(root: &Root, points: &[MountPoint]) -> Result<(), Failure> {
    let found = points.iter().map(|point| find(root, point)).collect::<Result<Vec<_>, Failure>>()?;
    for (count, mounted) in found.iter().enumerate() {
        let result = unmount_at(&mounted.place, mounted.id).during(|| unmounting(mounted.point));
        if let Err(failure) = result {
            let undone = found[..count].iter().rev().try_for_each(|before| mount_again(before).during(|| format!("mount {:?} again", before.point.path)));
            return Err(match undone {
                Ok(()) => failure,
                Err(second) => Failure { cause: format!("{}; undoing it failed too: {second}", failure.cause), ..failure },
            });
        }
    }
    Ok(())
}

fn unmounting(point: &MountPoint) -> String {
    format!("unmount {:?}{}", point.path, in_config(&point.pointer))
}

fn find<'a>(root: &Root, point: &'a MountPoint) -> Result<Mounted<'a>, Failure> {
    let during = || unmounting(point);
    let place = root.existing_place(&point.path).during(during)?;
    let top = open_name(&place).during(during)?;
    let id = mountinfo::place_of(&top).during(during)?.0;
    if mountinfo::place_of(&place.parent).during(during)?.0 == id {
        return Err(Failure::new(FailureCode::NotFound, during(), "nothing is mounted there"));
    }
    let clone = clone_mount(top.as_fd(), true).during(during)?;
    Ok(Mounted { point, place, id, clone })
}

fn mount_again(mounted: &Mounted<'_>) -> Result<(), Errno> {
    attach(mounted.clone.as_fd(), open_name(&mounted.place)?.as_fd())
}

fn open_name(place: &Place) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(&place.parent, &place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Unmounts the mount of that id, which lies on top at a place. umount2(2) takes a path alone: one name, below a directory that was opened.
fn unmount_at(place: &Place, id: u64) -> Result<(), Errno> {
    if mountinfo::place_of(open_name(place)?)?.0 != id {
        return Err(Errno::BUSY); // somebody has mounted on it
    }
    rustix::process::fchdir(place.parent.as_fd())?;
    let result = unmount(place.name.as_str(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    rustix::process::chdir("/")?;
    result
}
