//! The plans of a container, of a process that `exec` adds to it, and of a change of its mounts.

use crate::cgroup::CgroupPlan;
use crate::id_mapping::IdMapping;
use crate::operation::{Hook, HookOutput, HookState, Operation};
use crate::plain;
use crate::process_identity::ProcessIdentity;

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum Namespace { User, Mount, Pid, Network, Ipc, Uts, Cgroup, Time }
}

plain! {
/// An existing namespace to join.
pub struct NamespaceJoin {
    pub namespace: Namespace,
    pub path: String,
    /// `/linux/namespaces/2/path`, for error messages.
    pub pointer: String,
}
}

plain! {
/// How a clock of a new time namespace differs from the host's (time_namespaces(7)).
pub struct ClockOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    /// Decimal, may be negative.
    pub secs: String,
    pub nanosecs: u32,
}
}

plain! {
/// How to create the container's process.
pub struct SpawnPlan {
    pub create: Vec<Namespace>,
    pub join: Vec<NamespaceJoin>,
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    /// The caller is unprivileged: newuidmap(1) and newgidmap(1) write the maps, unless a single line with the caller's own id is enough.
    pub rootless: bool,
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    /// For the new time namespace.
    pub clock_offsets: Vec<ClockOffset>,
}
}

plain! {
/// A resource limit; `soft` and `hard` are decimal u64.
pub struct Rlimit {
    /// `RLIMIT_NOFILE`.
    pub kind: String,
    pub soft: String,
    pub hard: String,
}
}

plain! {
/// Capability sets as bit masks in decimal: bit n is capability n (linux/capability.h).
pub struct Capabilities {
    pub bounding: String,
    pub effective: String,
    pub inheritable: String,
    pub permitted: String,
    pub ambient: String,
}
}

plain! {
/// A program and its attributes: the container's first process, or one that `exec` adds.
pub struct Process {
    pub args: Vec<String>,
    /// Without duplicates. With `setHome` the init adds HOME from the container's passwd.
    pub env: Vec<String>,
    pub set_home: bool,
    pub cwd: String,
    pub uid: u32,
    pub gid: u32,
    /// None: keep the caller's groups (rootless: setgroups(2) is denied).
    #[serde(default)]
    pub additional_gids: Option<Vec<u32>>,
    /// Without additional groups: keep the caller's if setgroups(2) is denied in the user namespace that the container joined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub keep_groups_if_denied: bool,
    pub umask: u32,
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    pub rlimits: Vec<Rlimit>,
    pub no_new_privileges: bool,
    /// It has a seccomp filter, which comes with the request. Without the filter the program is not executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub seccomp: bool,
    pub terminal: bool,
    /// Descriptors 3 .. 3+preserveFds stay open in the program.
    pub preserve_fds: u32,
    /// Name of the session keyring to join or create (keyctl(2)). None: keep the caller's.
    #[serde(default)]
    pub keyring: Option<String>,
    /// SELinux label of that keyring.
    #[serde(default)]
    pub keyring_label: Option<String>,
    /// Operations on the process itself, in its namespaces, before it becomes its user: labels, personality, memory policy, scheduling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Operation>>", optional))]
    pub operations: Vec<Operation>,
}
}

plain! {
/// Where the terminal's master goes.
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ConsolePlan {
    None,
    /// To a Unix socket by SCM_RIGHTS.
    Socket { path: String },
    /// Kept by the caller for `foreground`.
    Keep,
}
}

plain! {
/// How `start` reaches the waiting init.
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum GatePlan {
    /// A socket named `gate` in the container's state directory (`create`).
    Socket,
    /// The channel to the process that created it (`run`).
    Channel,
}
}

plain! {
/// A network interface to move from the host into the container.
pub struct NetDevice {
    pub name: String,
    /// Its name in the container; the kernel replaces `%d` by the first free number.
    pub new_name: String,
    pub pointer: String,
}
}

plain! {
/// The container's Intel RDT class of service (Documentation/filesystems/resctrl.rst).
pub struct ResctrlPlan {
    pub mountpoint: String,
    /// Directory of the class: the mount point or a directory below it.
    pub group: String,
    /// Make the directory.
    pub make: bool,
    /// Lines that its schemata must contain already.
    pub compare: Vec<String>,
    /// Lines to write to its schemata, one after another.
    pub schemata: Vec<String>,
    /// Directory of the monitoring group to make below it.
    #[serde(default)]
    pub monitor: Option<String>,
}
}

plain! {
pub struct ContainerPlan {
    pub spawn: SpawnPlan,
    pub cgroup: CgroupPlan,
    /// The set-up of the container, before the process's own operations.
    pub operations: Vec<Operation>,
    pub process: Process,
    pub console: ConsolePlan,
    pub gate: GatePlan,
    /// prestart, then createRuntime.
    pub runtime_hooks: Vec<Hook>,
    pub start_container_hooks: Vec<Hook>,
    /// For the hooks of all six kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hook_output: Option<HookOutput>,
    /// The state that hooks read on stdin; the native layer sets `pid` and `status`.
    pub hook_state: HookState,
    #[serde(default)]
    pub pid_file: Option<String>,
    #[serde(default)]
    pub pidfd_socket: Option<String>,
    /// Moved in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub net_devices: Option<Vec<NetDevice>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub resctrl: Option<ResctrlPlan>,
}
}

plain! {
/// The cgroups that a process of `exec` joins.
#[derive(Default)]
pub struct CgroupJoin {
    /// v1 directories that it joins by writing to their `tasks`.
    pub join_tasks: Vec<String>,
    /// v2 directory to be cloned into.
    #[serde(default)]
    pub clone_into: Option<String>,
    /// If `clone_into` can have no processes, because it enables controllers for its children, use the cgroup of the container's first process
    /// instead, provided that is a descendant.
    pub fall_back_to_init_cgroup: bool,
    /// If pids.max has room for one process only, it may be outside of the cgroups for a moment while it is in the container's pid namespace
    /// already. Only if no process of the container could trace it there.
    pub may_start_outside: bool,
}
}

plain! {
/// CPUs of a process of `exec` (config.md#linux-process, `execCPUAffinity`), as ascending numbers.
pub struct ExecAffinity {
    /// From the start, before it joins cgroups.
    #[serde(default)]
    pub initial: Option<Vec<u32>>,
    /// Once it has joined its cgroups. If this and `initial` are None: all CPUs of the cpuset.
    #[serde(default, rename = "final")]
    pub last: Option<Vec<u32>>,
}
}

plain! {
/// The plan of a process that `exec` adds to a container.
pub struct ExecPlan {
    /// The container's first process.
    pub init: ProcessIdentity,
    /// Which of its namespaces to join.
    pub namespaces: Vec<Namespace>,
    /// It shares its mount namespace with others: enter its root by chroot(2).
    pub chroot: bool,
    pub cgroup: CgroupJoin,
    /// The container may be paused (`--ignore-paused`); the process then runs once the container is resumed.
    pub may_be_frozen: bool,
    pub process: Process,
    /// Height and width of a new terminal, in characters.
    #[serde(default)]
    pub terminal_size: Option<[u16; 2]>,
    pub console: ConsolePlan,
    #[serde(default)]
    pub affinity: Option<ExecAffinity>,
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    #[serde(default)]
    pub pid_file: Option<String>,
    #[serde(default)]
    pub pidfd_socket: Option<String>,
    /// The container's state, for the seccomp agent.
    pub state: HookState,
}
}

plain! {
/// A place in a container.
pub struct MountPoint {
    /// Normalized absolute path.
    pub path: String,
    /// JSON pointer of the mount that names it.
    pub pointer: String,
}
}

plain! {
/// A change of the mounts of a running container.
pub struct MountsPlan {
    /// The container's first process.
    pub init: ProcessIdentity,
    /// Which of its namespaces to join.
    pub namespaces: Vec<Namespace>,
    /// It shares its mount namespace with others: enter its root by chroot(2).
    pub chroot: bool,
    /// `Mount` and `Label` operations, in this order: all or none.
    pub add: Vec<Operation>,
    /// What to unmount, in this order: all or none.
    pub remove: Vec<MountPoint>,
}
}
