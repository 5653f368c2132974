//! Mounts of a container, by descriptor from source to destination (fsopen(2), open_tree(2), move_mount(2)).
//! Runs in the container's mount namespace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    fsconfig_create, fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick, move_mount, open_tree, FsMountFlags, FsOpenFlags,
    FsPickFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags,
};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountAttribute, MountAttributes, MountSource, MountTarget, Propagation};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::namespaces::{mount_setattr, MountSetattr};

use crate::copy_up::copy_up;
use crate::root::Root;

/// statfs(2)'s `f_type` of a procfs.
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// All atime modes share these bits; setting one requires clearing them (mount_setattr(2)).
const ATIME_MASK: u64 = 0x70;

/// `MOUNT_ATTR_*` bits.
fn bit(attribute: MountAttribute) -> u64 {
    match attribute {
        MountAttribute::Ro => 0x1,
        MountAttribute::Nosuid => 0x2,
        MountAttribute::Nodev => 0x4,
        MountAttribute::Noexec => 0x8,
        MountAttribute::Relatime => 0,
        MountAttribute::Noatime => 0x10,
        MountAttribute::Strictatime => 0x20,
        MountAttribute::Nodiratime => 0x80,
        MountAttribute::Nosymfollow => 0x20_0000,
    }
}

fn is_atime(attribute: MountAttribute) -> bool {
    matches!(attribute, MountAttribute::Relatime | MountAttribute::Noatime | MountAttribute::Strictatime)
}

/// The bits to set and to clear for a list of attributes.
pub fn attribute_bits(attributes: &MountAttributes) -> (u64, u64) {
    let bits = |list: &[MountAttribute]| list.iter().fold(0, |bits, attribute| bits | bit(*attribute));
    let set = bits(&attributes.set);
    let mut clear = bits(&attributes.clear);
    if attributes.set.iter().chain(&attributes.clear).any(|attribute| is_atime(*attribute)) {
        clear |= ATIME_MASK;
    }
    (set, clear)
}

/// `MS_*` propagation bit and whether it is for the whole tree.
pub fn propagation_bits(propagation: Propagation) -> (u64, bool) {
    const UNBINDABLE: u64 = 1 << 17;
    const PRIVATE: u64 = 1 << 18;
    const SLAVE: u64 = 1 << 19;
    const SHARED: u64 = 1 << 20;
    match propagation {
        Propagation::Private => (PRIVATE, false),
        Propagation::Rprivate => (PRIVATE, true),
        Propagation::Shared => (SHARED, false),
        Propagation::Rshared => (SHARED, true),
        Propagation::Slave => (SLAVE, false),
        Propagation::Rslave => (SLAVE, true),
        Propagation::Unbindable => (UNBINDABLE, false),
        Propagation::Runbindable => (UNBINDABLE, true),
    }
}

/// Changes the propagation of the mount whose root is `mount`.
pub fn set_propagation(mount: impl AsFd, propagation: Propagation) -> Result<(), Errno> {
    let (propagation, recursive) = propagation_bits(propagation);
    mount_setattr(mount, MountSetattr { propagation, recursive, ..MountSetattr::default() })
}

fn set_attributes(mount: impl AsFd, attributes: &MountAttributes, recursive: bool) -> Result<(), Errno> {
    let (set, clear) = attribute_bits(attributes);
    if set == 0 && clear == 0 {
        return Ok(());
    }
    mount_setattr(mount, MountSetattr { set, clear, recursive, ..MountSetattr::default() })
}

/// The same for a bind mount: in a user namespace, options of the mount that it came from are locked.
fn set_bind_attributes(mount: &OwnedFd, attributes: &MountAttributes, recursive: bool) -> Result<(), Failure> {
    set_attributes(mount, attributes, recursive).map_err(|errno| {
        let mut failure = os_failure("set attributes".into(), errno);
        if let (Errno::PERM, Some(name)) = (errno, locked(mount, attributes)) {
            failure.cause = format!("{}: the user namespace locks {name:?} of the mount it came from", failure.cause);
        }
        failure
    })
}

/// An option of the mount that `attributes` would take back (mount_namespaces(7), "Restrictions on mount namespaces").
fn locked(mount: &OwnedFd, attributes: &MountAttributes) -> Option<&'static str> {
    use rustix::fs::StatVfsMountFlags as Flags;
    const NOSYMFOLLOW: u64 = 8192;
    let now = rustix::fs::fstatvfs(mount).ok()?.f_flag;
    let cleared = |attribute: MountAttribute| attributes.clear.contains(&attribute);
    let atime = [(MountAttribute::Noatime, Flags::NOATIME, "noatime"), (MountAttribute::Relatime, Flags::RELATIME, "relatime")]
        .into_iter()
        .find(|(_, flag, _)| now.contains(*flag))
        .map_or((MountAttribute::Strictatime, "strictatime"), |(attribute, _, name)| (attribute, name));
    let other_atime = attributes.set.iter().any(|attribute| is_atime(*attribute) && *attribute != atime.0);
    [
        (MountAttribute::Ro, Flags::RDONLY, "ro"),
        (MountAttribute::Nosuid, Flags::NOSUID, "nosuid"),
        (MountAttribute::Nodev, Flags::NODEV, "nodev"),
        (MountAttribute::Noexec, Flags::NOEXEC, "noexec"),
        (MountAttribute::Nodiratime, Flags::NODIRATIME, "nodiratime"),
        (MountAttribute::Nosymfollow, Flags::from_bits_retain(NOSYMFOLLOW), "nosymfollow"),
    ]
    .into_iter()
    .find(|(attribute, flag, _)| cleared(*attribute) && now.contains(*flag))
    .map(|(_, _, name)| name)
    .or((other_atime || cleared(atime.0)).then_some(atime.1))
}

/// A detached clone of the mount at a descriptor.
pub fn clone_mount(at: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(at, "", flags)
}

/// A detached clone of the mount at a path of the host, as this mount namespace sees it.
fn clone_path(source: &str, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(rustix::fs::CWD, source, flags)
}

/// Attaches a detached mount on a descriptor.
pub fn attach(mount: BorrowedFd<'_>, on: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(mount, "", on, "", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH)
}

/// One entry of config.json's `mounts`.
pub struct Mount<'a> {
    pub destination: &'a str,
    pub source: &'a MountSource,
    pub target: MountTarget,
    pub attributes: &'a MountAttributes,
    pub recursive: &'a MountAttributes,
    pub propagation: &'a [Propagation],
    pub pointer: &'a str,
}

/// Mounts one entry below `root`. `bind_sources` are the clones that the parent made.
pub fn mount(root: &Root, entry: &Mount<'_>, bind_sources: &[OwnedFd]) -> Result<(), Failure> {
    let during = || format!("mount {} on {:?} ({})", describe(entry.source), entry.destination, entry.pointer);
    if let MountSource::Remount { bind, data } = entry.source {
        return remount(root, entry, *bind, data).map_err(|failure| within(failure, during));
    }
    let mount = match entry.source {
        MountSource::FileSystem { fs_type, source, data } => {
            let data = with_inherited_mode(root, entry.destination, fs_type, data);
            new_file_system(&NewFileSystem { fs_type, source, data: &data, attributes: entry.attributes }).map_err(|failure| within(failure, during))?
        }
        MountSource::Bind { source, recursive } => {
            let clone = clone_path(source, *recursive).during(during)?;
            set_bind_attributes(&clone, entry.attributes, false).map_err(|failure| within(failure, during))?;
            clone
        }
        MountSource::BindDescriptor { source, recursive, index } => {
            let clone = match clone_path(source, *recursive) {
                Err(Errno::ACCESS | Errno::PERM) => {
                    let lent = bind_sources.get(*index as usize).ok_or_else(|| Failure::new(FailureCode::BadRequest, during(), "no such source descriptor"))?;
                    rustix::io::fcntl_dupfd_cloexec(lent, 3)
                }
                result => result,
            }
            .during(during)?;
            set_bind_attributes(&clone, entry.attributes, false).map_err(|failure| within(failure, during))?;
            clone
        }
        MountSource::Lent { index, .. } => {
            let lent = bind_sources.get(*index as usize).ok_or_else(|| Failure::new(FailureCode::BadRequest, during(), "no such source descriptor"))?;
            set_bind_attributes(lent, entry.attributes, false).map_err(|failure| within(failure, during))?;
            rustix::io::fcntl_dupfd_cloexec(lent, 3).during(during)?
        }
        MountSource::CopyUp { source, data } => {
            let data = with_inherited_mode(root, entry.destination, "tmpfs", data);
            new_file_system(&NewFileSystem { fs_type: "tmpfs", source, data: &data, attributes: entry.attributes })
                .map_err(|failure| within(failure, during))?
        }
        MountSource::MappedBind { .. } => return Err(Failure::new(FailureCode::BadRequest, during(), "the creator did not make its clone")),
        MountSource::Remount { .. } => unreachable!("handled above"),
    };
    let destination = destination(root, entry, mount.as_fd()).map_err(|failure| within(failure, during))?;
    if let MountSource::CopyUp { data, .. } = entry.source {
        copy_covered(destination.as_fd(), mount.as_fd(), data).map_err(|failure| within(failure, during))?;
    }
    set_bind_attributes(&mount, entry.recursive, true).map_err(|failure| within(failure, during))?;
    attach(mount.as_fd(), destination.as_fd()).during(during)?;
    root.mounts_changed();
    for propagation in entry.propagation {
        set_propagation(&mount, *propagation).during(during)?;
    }
    Ok(())
}

fn describe(source: &MountSource) -> String {
    match source {
        MountSource::FileSystem { fs_type, .. } => format!("{fs_type:?}"),
        MountSource::CopyUp { .. } => "\"tmpfs\"".into(),
        MountSource::Bind { source, .. }
        | MountSource::BindDescriptor { source, .. }
        | MountSource::MappedBind { source, .. }
        | MountSource::Lent { source, .. } => format!("{source:?}"),
        MountSource::Remount { .. } => "remount".into(),
    }
}

/// Puts an outer operation before a failure.
fn within(failure: Failure, operation: impl FnOnce() -> String) -> Failure {
    Failure { cause: failure.to_string(), operation: operation(), ..failure }
}

/// The place to mount on, made when missing (runtime-spec config.md#mounts: the runtime creates it).
fn destination(root: &Root, entry: &Mount<'_>, mount: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let path = entry.destination;
    let during = || format!("open {path:?} in the rootfs");
    let on_proc_or_sys = matches!(entry.source, MountSource::FileSystem { fs_type, .. } if matches!(fs_type.as_str(), "proc" | "sysfs"));
    let directory = match entry.target {
        MountTarget::Directory => true,
        MountTarget::LikeSource => FileType::from_raw_mode(rustix::fs::fstat(mount).during(during)?.st_mode) == FileType::Directory,
    };
    let found = if on_proc_or_sys {
        // An image must not lead /proc or /sys elsewhere (CVE-2019-19921, CVE-2023-27561).
        match root.open_without_links(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => root.make_directory(path)?,
            result => result.during(|| format!("open {path:?} in the rootfs as a directory without symbolic links"))?,
        }
    } else {
        root.make_below(path, directory)?
    };
    if !directory && FileType::from_raw_mode(rustix::fs::fstat(&found).during(during)?.st_mode) == FileType::Directory {
        return Err(Errno::NOTDIR).during(during);
    }
    // A destination that a link leads into /proc would hide or fake the kernel's files (CVE-2019-16884); those that
    // name /proc were checked against the list of allowed ones.
    if !is_below(path, "/proc") && rustix::fs::fstatfs(&found).during(during)?.f_type as u64 == PROC_SUPER_MAGIC {
        return Err(Failure::new(FailureCode::Other, during(), "it leads into /proc"));
    }
    Ok(found)
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A tmpfs takes over the mode of the directory that it covers, unless its options say otherwise.
fn with_inherited_mode(root: &Root, destination: &str, fs_type: &str, data: &[String]) -> Vec<String> {
    let mut data = data.to_vec();
    if fs_type == "tmpfs" && !data.iter().any(|entry| entry.starts_with("mode=")) {
        let covered = root.open(destination, OFlags::PATH | OFlags::DIRECTORY).and_then(rustix::fs::fstat);
        data.push(format!("mode={:o}", covered.map_or(0o755, |stat| stat.st_mode & 0o7777)));
    }
    data
}

/// Fills a tmpfs with what is in the directory that it is to cover. That was opened once and is neither / nor below /proc: an image must not
/// have a link make copies of the kernel's memory.
fn copy_covered(covered: BorrowedFd<'_>, tmpfs: BorrowedFd<'_>, data: &[String]) -> Result<(), Failure> {
    let owner = !data.iter().any(|option| option.starts_with("uid=") || option.starts_with("gid="));
    copy_up(covered, tmpfs, owner)
}

/// A file system to make.
pub struct NewFileSystem<'a> {
    pub fs_type: &'a str,
    pub source: &'a str,
    pub data: &'a [String],
    pub attributes: &'a MountAttributes,
}

/// Makes a file system, as a detached mount.
///
/// # Errors
/// The errno and, where the kernel gives one, the message of the file system (fsopen(2): read from the context).
pub fn new_file_system(new: &NewFileSystem<'_>) -> Result<OwnedFd, Failure> {
    let context = fsopen(new.fs_type, FsOpenFlags::FSOPEN_CLOEXEC).during(|| format!("open file system {:?}", new.fs_type))?;
    if !new.source.is_empty() {
        fsconfig_set_string(context.as_fd(), "source", new.source).map_err(|errno| explained(&context, "set \"source\"".into(), errno))?;
    }
    configure(&context, new.data)?;
    if new.attributes.set.contains(&MountAttribute::Ro) {
        fsconfig_set_flag(context.as_fd(), "ro").map_err(|errno| explained(&context, "set \"ro\"".into(), errno))?;
    }
    fsconfig_create(context.as_fd()).map_err(|errno| explained(&context, "create".into(), errno))?;
    let (set, _) = attribute_bits(new.attributes);
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(set as u32)).during(|| "fsmount".into())
}

fn configure(context: &OwnedFd, data: &[String]) -> Result<(), Failure> {
    for entry in data {
        let result = match entry.split_once('=') {
            Some((key, value)) => fsconfig_set_string(context.as_fd(), key, value),
            None => fsconfig_set_flag(context.as_fd(), entry.as_str()),
        };
        result.map_err(|errno| explained(context, format!("set {entry:?}"), errno))?;
    }
    Ok(())
}

/// Adds the file system's own words, one line without its `e ` prefix.
fn explained(context: &OwnedFd, operation: String, errno: Errno) -> Failure {
    let mut failure = os_failure(operation, errno);
    let mut message = [0u8; 512];
    if let Ok(count) = rustix::io::read(context, &mut message) {
        let text = String::from_utf8_lossy(&message[..count]);
        let text = text.trim_end().strip_prefix("e ").unwrap_or(text.trim_end());
        failure.cause = format!("{}: {text}", failure.cause);
    }
    failure
}

fn remount(root: &Root, entry: &Mount<'_>, bind: bool, data: &[String]) -> Result<(), Failure> {
    let at = root.open(entry.destination, OFlags::PATH).during(|| format!("open {:?} in the rootfs", entry.destination))?;
    if !bind {
        let context = fspick(at.as_fd(), "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC).during(|| "fspick".into())?;
        configure(&context, data)?;
        let read_only = entry.attributes.set.contains(&MountAttribute::Ro);
        fsconfig_set_flag(context.as_fd(), if read_only { "ro" } else { "rw" }).map_err(|errno| explained(&context, "set access".into(), errno))?;
        fsconfig_reconfigure(context.as_fd()).map_err(|errno| explained(&context, "reconfigure".into(), errno))?;
    }
    set_attributes(&at, entry.attributes, false).during(|| "set attributes".into())?;
    set_attributes(&at, entry.recursive, true).during(|| "set recursive attributes".into())?;
    for propagation in entry.propagation {
        set_propagation(&at, *propagation).during(|| "set propagation".into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_an_atime_mode_clears_the_others() {
        let attributes = MountAttributes { set: vec![MountAttribute::Noatime, MountAttribute::Ro], clear: vec![MountAttribute::Nosuid] };
        assert_eq!(attribute_bits(&attributes), (0x11, 0x72));
    }

    #[test]
    fn only_whole_names_are_below_a_directory() {
        assert!(is_below("/proc", "/proc") && is_below("/proc/uptime", "/proc"));
        assert!(!is_below("/process", "/proc"));
    }
}
