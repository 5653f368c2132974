//! The operations that the init executes, in order, before it waits at the start gate. A `destination` or `path` in the container is
//! resolved below the descriptor of the rootfs (openat2(2), RESOLVE_IN_ROOT), never by a path on the host.

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
    /// Also clear all attributes that neither list names, as MS_REMOUNT does, except those locked by a user namespace.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
    pub reset: bool,
}
}

/// Most mounts have few of the fields: omit defaults from the JSON.
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
/// The mappings of an idmapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP): `container_id` is the owner on the file system, `host_id`
/// the owner as the host sees it. Empty lists: those of the user namespace that the container joins.
pub struct OwnerMap {
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
}
}

plain! {
/// What a bind mount does if its source is a symbolic link.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq, Default)]
pub enum SourceLink {
    #[default]
    Follow,
    /// Bind the link itself (`src-nofollow`).
    Bind,
    /// Create the same link at the destination instead of a mount (`copy-symlink`).
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
    /// A new tmpfs with a copy of the directory that it is mounted over (`tmpcopyup`).
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
    /// An idmapped `bind`; with `map_recursive` the mounts below it are idmapped too. The creator clones the mount, because this takes
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
    /// Change the mount that is already at the destination (`remount`). `bind`: only the mount's own flags; else also those of the file
    /// system, with `data`.
    Remount {
        bind: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        data: Vec<String>,
    },
}
}

plain! {
/// What to make at a mount's destination if it is missing.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq, Default)]
pub enum MountTarget {
    #[default]
    Directory,
    /// A directory if the source of the bind mount is one, else a file.
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
    /// Bring up the loopback interface of a new network namespace.
    Loopback,
    /// Change the propagation of the root mount, or of all mounts (`rslave` and the like). With the default `rslave` no mount event reaches the host.
    RootPropagation { propagation: Propagation },
    /// Make the rootfs a mount point (a recursive bind on itself). All later paths are resolved below it. Its parent mount becomes private
    /// (pivot_root(2) refuses shared ones).
    Rootfs { path: String },
    /// As `rootfs`, in the runtime's own mount namespace: other mounts are not changed, and `delete` detaches this one.
    SharedRootfs { path: String },
    Mount {
        destination: String,
        source: MountSource,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountTarget>", optional))]
        target: MountTarget,
        /// If the destination is a symbolic link, mount on the link itself (`dest-nofollow`).
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        in_place: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountAttributes>", optional))]
        attributes: MountAttributes,
        /// Attributes for the whole mount tree (`rro`, `rnosuid`, ...).
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<MountAttributes>", optional))]
        recursive: MountAttributes,
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Propagation>>", optional))]
        propagation: Vec<Propagation>,
        /// JSON pointer of the mount, for error messages.
        pointer: String,
    },
    /// Make a device node. `bind`: bind the host's instead, nosuid and noexec, because mknod(2) is not allowed in a user namespace.
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
    /// Make a symbolic link. Replaces a link with another target; leaves any other file alone.
    Symlink { target: String, path: String },
    /// Open a terminal in the container's devpts, send its master to the creator, bind the slave on /dev/console, which must not be a symbolic link.
    Console { height: u16, width: u16 },
    /// Have the creator run prestart and createRuntime hooks, then run createContainer hooks here.
    Hooks { create_container: Vec<Hook> },
    /// pivot_root(2) to the rootfs and unmount the old root.
    PivotRoot,
    /// `--no-pivot`: unmount the host's proc and sysfs, move the rootfs over `/` and chroot(2).
    MoveRoot,
    /// chroot(2) only (no mount namespace).
    Chroot,
    /// Make the program's working directory if it is missing. A failure is not reported here: the later chdir(2) fails with the reason.
    WorkingDirectory { path: String },
    /// rootfsPropagation, after the pivot.
    RootfsPropagation { propagation: Propagation },
    /// Make `/` read-only; its other flags are kept.
    ReadonlyRoot,
    Hostname { name: String },
    Domainname { name: String },
    /// Write a file of /proc/sys in a private procfs; `name` has slashes.
    Sysctl { name: String, value: String },
    ReadonlyPaths { paths: Vec<String> },
    MaskPaths { paths: Vec<String> },
    /// Set the SELinux label of a file (xattr(7), security.selinux).
    Label { path: String, label: String },
    /// Set the AppArmor profile for the next exec (attr/apparmor/exec, proc_pid_attr(5)).
    Apparmor { profile: String },
    /// Set the SELinux label for the next exec (attr/exec).
    Selinux { label: String },
    /// Have the creator, which has the privilege, set this process's scheduling.
    Schedule {
        #[serde(default)]
        scheduler: Option<Scheduler>,
        #[serde(default)]
        io_priority: Option<IoPriority>,
    },
    /// Set the execution domain (personality(2)).
    Personality { persona: u32 },
    /// Set the NUMA memory policy (set_mempolicy(2)): mode with flags, and nodes in ascending order.
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
    /// Nanoseconds, decimal u64; so are the next two.
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
    /// Priority in the class; 0 is the highest.
    pub level: u32,
}
}

plain! {
/// Files on the host that get the hooks' output, created if missing; error messages then do not quote it. Absolute paths.
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
    /// The state as JSON, with this `pid` and `status`.
    pub fn text(&self, pid: i32, status: &str) -> String {
        let state = HookState { pid, status: status.into(), ..self.clone() };
        serde_json::to_string(&state).unwrap_or_default() // strings and a number cannot fail
    }
}

plain! {
/// One hook of config.json.
pub struct Hook {
    pub path: String,
    /// Includes argv[0]. Empty: `[path]`.
    pub args: Vec<String>,
    /// None: the environment of the process that runs the hook.
    pub env: Option<Vec<String>>,
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
    /// `/hooks/createRuntime/0`, for error messages.
    pub pointer: String,
}
}
