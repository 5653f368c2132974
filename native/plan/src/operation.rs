//! What the init does to its mount namespace and host names, in order, before it waits at the start gate.
//! Every `destination` and `path` inside the container is resolved below the rootfs descriptor (openat2
//! `RESOLVE_IN_ROOT`), never by a path of the host.

use std::collections::BTreeMap;

use crate::id_mapping::IdMapping;
use crate::{plain, tagged};

plain! {
/// Mount attributes to set and to clear (mount_setattr(2)).
#[derive(Default)]
pub struct MountAttributes {
    pub set: Vec<MountAttribute>,
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<MountAttribute>>", optional))]
    pub clear: Vec<MountAttribute>,
    /// Also clear whatever neither list names, as MS_REMOUNT of mount(2) does, but for what a user namespace locks.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
    pub reset: bool,
}
}

/// Most mounts have few of the fields; what is not said need not be written and read.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum MountAttribute {
    Ro, Nosuid, Nodev, Noexec, Nodiratime, Nosymfollow,
    /// The atime modes exclude each other.
    Relatime, Noatime, Strictatime,
}
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum Propagation { Private, Shared, Slave, Unbindable, Rprivate, Rshared, Rslave, Runbindable }
}

plain! {
/// Whose owners a mount's files get (mount_setattr(2), MOUNT_ATTR_IDMAP): `container_id` is the owner on the file system, `host_id`
/// who it is for the host. Empty lists mean the user namespace that the container joins.
pub struct OwnerMap {
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
}
}

plain! {
/// What a bind does with a symbolic link at the end of its source.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq, Default)]
pub enum SourceLink {
    #[default]
    Follow,
    /// Bind the link itself (`src-nofollow`).
    Bind,
    /// Make the same link at the destination and mount nothing (`copy-symlink`).
    Copy,
}
}

tagged! { "kind", mount_source_reader, "MountSource";
/// Where a mount's content comes from.
pub enum MountSource {
    /// A new file system: fsopen(2), one fsconfig(2) per entry of `data` (`key` or `key=value`).
    FileSystem {
        fs_type: String,
        source: String,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        data: Vec<String>,
    },
    /// A new tmpfs with a copy of the directory that it covers.
    CopyUp {
        source: String,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        data: Vec<String>,
    },
    /// A clone of the mount at a path of the host.
    Bind {
        source: String,
        recursive: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<SourceLink>", optional))]
        link: SourceLink,
    },
    /// As `bind`, with mapped owners; `map_recursive`: those of the mounts below it too. The parent makes the clone: mapping takes
    /// privilege over the file system.
    MappedBind {
        source: String,
        recursive: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<SourceLink>", optional))]
        link: SourceLink,
        owners: OwnerMap,
        map_recursive: bool,
    },
    /// Change attributes of what is mounted at the destination already (`remount`). `bind`: only the mount's own flags;
    /// else the file system's too, with `data`.
    Remount {
        bind: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        data: Vec<String>,
    },
}
}

plain! {
/// The object made at a mount's destination when it is missing.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq, Default)]
pub enum MountTarget {
    #[default]
    Directory,
    /// A bind mount's destination is what its source is.
    LikeSource,
}
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum DeviceKind { Char, Block, Fifo }
}

tagged! { "op", operation_reader, "Operation";
pub enum Operation {
    /// Bring the loopback interface of a new network namespace up.
    Loopback,
    /// Change the propagation of the mount namespace's root, so that nothing leaks to the host.
    RootPropagation { propagation: Propagation },
    /// Make the rootfs a mount point (a recursive bind on itself) and the directory all later paths resolve below.
    /// Its parent mount is made private (pivot_root(2) refuses shared ones).
    Rootfs { path: String },
    /// As `rootfs`, in the mount namespace of the runtime: its other mounts stay as they are, and `delete` detaches this one.
    SharedRootfs { path: String },
    Mount {
        destination: String,
        source: MountSource,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountTarget>", optional))]
        target: MountTarget,
        /// Mount on what the destination names even where that is a symbolic link (`dest-nofollow`).
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        in_place: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountAttributes>", optional))]
        attributes: MountAttributes,
        /// Attributes for the whole tree (`rro`, `rnosuid`, ...).
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountAttributes>", optional))]
        recursive: MountAttributes,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Propagation>>", optional))]
        propagation: Vec<Propagation>,
        /// Index in config.json's `mounts`, for the error text.
        pointer: String,
    },
    /// A device node, or a bind of the host's, nosuid and noexec, where mknod is not allowed (user namespaces).
    Device {
        path: String,
        kind: DeviceKind,
        major: u32,
        minor: u32,
        mode: u32,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<u32>", optional))]
        uid: u32,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<u32>", optional))]
        gid: u32,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        bind: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<String>", optional))]
        pointer: String,
    },
    /// A symbolic link. An existing link that leads elsewhere is replaced, another file of that name is left alone.
    Symlink { target: String, path: String },
    /// Open a terminal of the container's devpts, send its master to the parent, mount the slave on /dev/console, which must not be a link.
    Console { height: u16, width: u16 },
    /// Tell the parent to run prestart and createRuntime hooks, then run createContainer hooks here.
    Hooks { create_container: Vec<Hook> },
    /// Make the rootfs the root of the mount namespace and drop the old root.
    PivotRoot,
    /// `--no-pivot`: move the rootfs over `/` and chroot, after unmounting the host's proc and sysfs.
    MoveRoot,
    /// No mount namespace: chroot alone.
    Chroot,
    /// Make the program's working directory where it is missing. Where it cannot be made, the program's chdir(2) fails and says why.
    WorkingDirectory { path: String },
    /// rootfsPropagation, after the pivot.
    RootfsPropagation { propagation: Propagation },
    /// Remount `/` read-only, other flags kept.
    ReadonlyRoot,
    Hostname { name: String },
    Domainname { name: String },
    /// `name` with slashes, below /proc/sys of a private procfs.
    Sysctl { name: String, value: String },
    ReadonlyPaths { paths: Vec<String> },
    MaskPaths { paths: Vec<String> },
    /// The SELinux label of what is at a path (xattr(7), security.selinux).
    Label { path: String, label: String },
    /// The AppArmor profile of the program that is executed (attr/apparmor/exec, proc_pid_attr(5)).
    Apparmor { profile: String },
    /// The SELinux label of the program that is executed (attr/exec).
    Selinux { label: String },
    /// Tell the parent, who has the privilege, to set how this process is scheduled.
    Schedule {
        #[serde(default)]
        scheduler: Option<Scheduler>,
        #[serde(default)]
        io_priority: Option<IoPriority>,
    },
    /// Execution domain and flags (personality(2)).
    Personality { persona: u32 },
    /// NUMA memory policy: mode with flags, and the memory nodes in ascending order (set_mempolicy(2)).
    MemoryPolicy { mode: u32, nodes: Vec<u32> },
}
}

plain! {
/// Arguments of sched_setattr(2).
pub struct Scheduler {
    /// A `SCHED_*` number.
    pub policy: u32,
    /// `SCHED_FLAG_*` bits.
    pub flags: u32,
    pub nice: i32,
    pub priority: u32,
    /// Nanoseconds, decimal u64, as the two below.
    pub runtime: String,
    pub deadline: String,
    pub period: String,
}
}

plain! {
/// Arguments of ioprio_set(2).
pub struct IoPriority {
    /// An `IOPRIO_CLASS_*` number.
    pub class: u32,
    /// Within the class, 0 the highest.
    pub level: u32,
}
}

plain! {
/// Files of the host that hooks write to, made when missing, in place of what an error would show of their output. Absolute paths.
pub struct HookOutput {
    #[serde(default)]
    pub stdout: Option<String>,
    #[serde(default)]
    pub stderr: Option<String>,
}
}

plain! {
/// The state object on the standard input of a hook (runtime.md#state).
pub struct HookState {
    pub oci_version: String,
    pub id: String,
    pub status: String,
    pub pid: i32,
    pub bundle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "Record<string, string>"))]
    pub annotations: Option<BTreeMap<String, String>>,
}
}

impl HookState {
    /// The JSON text for a process and a status.
    pub fn text(&self, pid: i32, status: &str) -> String {
        let state = HookState { pid, status: status.into(), ..self.clone() };
        serde_json::to_string(&state).unwrap_or_default() // strings and a number: nothing can fail
    }
}

plain! {
/// One hook of config.json.
pub struct Hook {
    pub path: String,
    /// Includes argv[0]; empty means `[path]`.
    pub args: Vec<String>,
    /// None: the environment of the process that runs the hook.
    pub env: Option<Vec<String>>,
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
    /// `/hooks/createRuntime/0`, for the error text.
    pub pointer: String,
}
}
