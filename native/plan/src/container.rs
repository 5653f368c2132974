//! The plan of one container.

use crate::cgroup::CgroupPlan;
use crate::id_mapping::IdMapping;
use crate::operation::{Hook, HookOutput, HookState, Operation};
use crate::plain;
use crate::request::ProcessIdentity;

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum Namespace { User, Mount, Pid, Network, Ipc, Uts, Cgroup, Time }
}

plain! {
/// A namespace to join instead of making it.
pub struct NamespaceJoin {
    pub namespace: Namespace,
    pub path: String,
    /// `/linux/namespaces/2/path`, for the error text.
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
/// How the container's process comes to be.
pub struct SpawnPlan {
    pub create: Vec<Namespace>,
    pub join: Vec<NamespaceJoin>,
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    /// True for a caller without privilege: newuidmap(1) and newgidmap(1) write the maps where one line of the caller's
    /// own id does not do.
    pub rootless: bool,
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    /// Of the new time namespace.
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
/// A program and what it runs with: a container's first one, or one that `exec` brings in.
pub struct Process {
    pub args: Vec<String>,
    /// Without duplicates; HOME is added by the init from the container's passwd when `setHome`.
    pub env: Vec<String>,
    pub set_home: bool,
    pub cwd: String,
    pub uid: u32,
    pub gid: u32,
    /// None leaves the groups alone (rootless: setgroups(2) is denied).
    #[serde(default)]
    pub additional_gids: Option<Vec<u32>>,
    pub umask: u32,
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    pub rlimits: Vec<Rlimit>,
    pub no_new_privileges: bool,
    /// It has a filter of system calls, which comes with the request: without it nothing may run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub seccomp: bool,
    pub terminal: bool,
    /// Descriptors 3 .. 3+preserveFds stay open in the program.
    pub preserve_fds: u32,
    /// Name of the session keyring that it joins (keyctl(2)), made if need be. None: it keeps the caller's.
    #[serde(default)]
    pub keyring: Option<String>,
    /// SELinux label of that keyring.
    #[serde(default)]
    pub keyring_label: Option<String>,
    /// Done to the process itself, in its namespaces, before it becomes its user: labels, personality, memory policy, scheduling.
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
    /// The sync channel of the process that created it (`run`).
    Channel,
}
}

plain! {
/// A network interface of the host that the container gets.
pub struct NetDevice {
    pub name: String,
    /// Its name in the container; `%d` in it stands for the first free number.
    pub new_name: String,
    pub pointer: String,
}
}

plain! {
/// The container's class of service of Intel RDT (Documentation/filesystems/resctrl.rst).
pub struct ResctrlPlan {
    pub mountpoint: String,
    /// Directory of the class, below the mount point or that itself.
    pub group: String,
    /// It is not there yet.
    pub make: bool,
    /// Lines that its schemata must say already.
    pub compare: Vec<String>,
    /// Written to its schemata one after another.
    pub schemata: Vec<String>,
    /// Directory of a monitoring group to make below it.
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
    /// What hooks read; the native layer sets `pid` and `status`.
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
/// The cgroups that a process joins.
#[derive(Default)]
pub struct CgroupJoin {
    /// Directories of v1 whose `tasks` file it writes itself to.
    pub join_tasks: Vec<String>,
    /// v2 directory to be cloned into.
    #[serde(default)]
    pub clone_into: Option<String>,
    /// Where the kernel takes no process into `clone_into`, because it has controllers enabled for cgroups below it: the cgroup of the container's
    /// first process instead, if that is below.
    pub or_where_init_is: bool,
    /// Where a limit leaves room for one process alone, it may be outside of the cgroups for a moment while it is in the container's pid namespace
    /// already: nobody in there may trace it.
    pub may_wait_outside: bool,
}
}

plain! {
/// CPUs of a process that is brought in (config.md#linux-process, `execCPUAffinity`), as ascending numbers.
pub struct ExecAffinity {
    /// From its beginning, before it joins cgroups.
    #[serde(default)]
    pub initial: Option<Vec<u32>>,
    /// From when it is in its cgroups on. None: all that the cpuset allows, where `initial` is None too.
    #[serde(default)]
    pub last: Option<Vec<u32>>,
}
}

plain! {
/// The plan of a process in a container that runs.
pub struct ExecPlan {
    /// The container's first process.
    pub init: ProcessIdentity,
    /// Those of its namespaces to join.
    pub namespaces: Vec<Namespace>,
    /// Its root is a directory of a mount namespace that others have, to be entered by chroot(2).
    pub chroot: bool,
    pub cgroup: CgroupJoin,
    /// The container may be paused: then the process goes on when that is resumed.
    pub may_be_frozen: bool,
    pub process: Process,
    /// Of a new terminal: height and width in characters.
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
    /// What the listener of a seccomp filter is told of the container.
    pub state: HookState,
}
}

plain! {
/// A place in a container.
pub struct MountPoint {
    /// Clean absolute path.
    pub path: String,
    /// JSON pointer of the mount that names it.
    pub pointer: String,
}
}

plain! {
/// What changes of the mounts of a container that runs.
pub struct MountsPlan {
    /// The container's first process.
    pub init: ProcessIdentity,
    /// Those of its namespaces to join.
    pub namespaces: Vec<Namespace>,
    /// Its root is a directory of a mount namespace that others have, to be entered by chroot(2).
    pub chroot: bool,
    /// `Mount` and `Label` operations, in order: all of them or none.
    pub add: Vec<Operation>,
    /// Where to unmount, in order: all of them or none.
    pub remove: Vec<MountPoint>,
}
}
