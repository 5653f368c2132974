//! The requests of the core and their replies: `Door.call(request) -> reply`.

use crate::cgroup::CgroupPlan;
use crate::container::{ContainerPlan, ExecPlan, MountsPlan};
use crate::criu::{CriuRequest, CriuResponse};
use crate::failure::Failure;
use crate::host_facts::HostFacts;
use crate::operation::{Hook, HookOutput, HookState};
use crate::process_identity::ProcessIdentity;
use crate::record::{ContainerRecord, ContainerSummary};
use crate::seccomp::{SeccompFacts, SeccompProfile};
use crate::systemd::SystemdFacts;
use crate::undo::Undo;
use crate::update::LimitChange;
use crate::warning::Warning;
use crate::{plain, tagged};

tagged! { "kind", event_source_reader, "EventSource";
/// What `nextEvent` waits for.
pub enum EventSource {
    /// The process exits, or has exited already. Reported once.
    ProcessEnd { process: ProcessIdentity },
    /// A periodic timer; it first expires after one interval.
    Interval {
        // The longest duration of Go, which callers use, has less than 2^44 milliseconds.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        milliseconds: u64,
    },
    /// A cgroup file that announces its changes (memory.events, cgroup.events) changes; the event has the file's contents. When the cgroup is
    /// removed, one last event without contents follows.
    FileChange { path: String },
    /// A v1 cgroup runs out of memory; `cgroup` is its directory in the hierarchy of the memory controller. The event has the number of times
    /// since the last event: 0 if the cgroup was removed instead.
    OutOfMemory { cgroup: String },
    /// The reader of this process's standard output has closed it.
    OutputClosed,
}
}

plain! {
/// A part of a datagram.
pub struct DatagramPart {
    pub text: String,
    /// Precede the text by its length in bytes, a little-endian u64 (native protocol of systemd-journald).
    #[serde(default)]
    pub sized: bool,
}
}

tagged! { "op", request_reader, "Request";
pub enum Request {
    /// -> `Reply::Text`
    ReadFile { path: String, max_bytes: u32 },
    /// Read a file that a user names; of a pipe or a FIFO the end is waited for. -> `Text`
    ReadInput { path: String, max_bytes: u32 },
    /// Read standard input to its end; more than `maxBytes` is `TooLarge`. -> `Text`
    ReadStdin { max_bytes: u32 },
    /// Read kernel files, without the final newline. Null for a file that is missing, write-only or not supported by the kernel there.
    /// -> `Values`
    ReadValues { paths: Vec<String> },
    /// Read a configuration. If the state root `root` has a cached filter for exactly this seccomp profile, the text that is returned has
    /// another profile in its place, one that kills the process: the core need not look at it. With `input` the file may also be a pipe or a
    /// FIFO, as for `ReadInput`. -> `Config`
    ReadConfig { path: String, max_bytes: u32, root: String, input: bool },
    /// Create a file that must not exist (O_EXCL). -> `Done`
    CreateFile { path: String, text: String, mode: u32 },
    /// Append a line to a file, which is created with mode 0644 if missing (log). -> `Done`
    AppendFile { path: String, text: String },
    /// Send one datagram to a Unix socket (of a log daemon). Without parts: only check that the socket exists. -> `Done`
    SendDatagram { path: String, parts: Vec<DatagramPart> },
    /// Absolute path of a directory, symbolic links resolved. -> `Text`
    ResolveDirectory { path: String },
    /// Absolute path, symbolic links not resolved (the working directory is prepended). -> `Text`
    AbsolutePath { path: String },
    /// Fail if the caller has no terminal on stdin, stdout or stderr and no controlling terminal. -> `Done`
    FindTerminal,
    /// -> `Facts`
    HostFacts,
    /// Facts of the system's service manager or, with `user`, of the caller's own, whose sockets are below `runtimeDirectory`
    /// (default /run/user/UID). -> `Systemd`
    SystemdFacts { user: bool, #[serde(default)] runtime_directory: Option<String>, bfq: bool, oom_policy: bool },
    /// Which of the paths do not exist. -> `Names`
    Missing { paths: Vec<String> },
    /// Type of the file at a path; a final symbolic link is not followed: `directory`, `file`, `symlink`, `socket`, `other`, `missing`.
    /// -> `Text`
    PathKind { path: String },

    /// Check that the caller passed `count` open descriptors, 3 and up. Comes before `Reserve`, which opens others. -> `Done`
    RequireOpen { count: u32 },
    /// Atomically make `root/id`, locked, with mode 0700 and `record` in its state.json; `Exists` if it is there already. `root` is made with
    /// mode `rootMode` if missing. `interruptible`: until the handle is closed, waiting requests fail with `Interrupted` on SIGHUP, SIGINT,
    /// SIGQUIT and SIGTERM, and another process's `takeOver` may end this one. -> `Handle`
    Reserve { root: String, root_mode: u32, record: Box<ContainerRecord>, interruptible: bool },
    /// Names in the state root, sorted; `NotFound` if there is no state root. -> `Names`
    ListContainers { root: String },
    /// Summarize all containers of a state root, without locking them; `NotFound` if there is no state root. -> `Summaries`
    SummarizeContainers { root: String },
    /// Read state.json without the lock, so another process may be changing it; `NotFound` if there is none. Like all requests below, refuses a
    /// state root, container directory or state.json that anybody but the caller and root owns or may write. -> `Text`
    PeekState { root: String, id: String },
    /// state.json of a locked container. -> `Text`
    ReadState { lock: u32 },
    /// Lock `root/id` exclusively. `Locked` if another process still holds the lock after the timeout (null: no timeout); `NotFound` if there
    /// is no such directory. `interruptible` as in `reserve`. -> `Handle`
    LockContainer { root: String, id: String, #[serde(default)] timeout_milliseconds: Option<u32>, interruptible: bool },
    /// As `lockContainer`, but an `interruptible` process that keeps the lock for long is asked to end, then killed. -> `Handle`
    TakeOver { root: String, id: String },
    /// Kill the init that a killed `create` left behind. It exits by itself unless it was stopped. -> `Done`
    KillUnfinished { lock: u32 },
    /// Replace state.json atomically. -> `Done`
    SaveState { handle: u32, record: Box<ContainerRecord> },
    /// Remove the container's directory with its files, and what killed creates of the same id left. -> `Done`
    RemoveContainer { handle: u32 },
    /// Close a handle: unlock a container; kill and reap a process that was not released. -> `Done`
    Close { handle: u32 },

    /// Make the container's cgroups and process and bring it to the start gate; state.json is then `record` with `process` and `defaults`
    /// added. If this fails, all that it made is undone. `lock` is the handle of `reserve`. `seccomp` is the handle of a compiled filter,
    /// which is cached for the next container with that profile. `notify` is a handle of `bindNotify`: the init keeps the socket for `start`.
    /// -> `Created`
    Create {
        lock: u32,
        plan: Box<ContainerPlan>,
        record: Box<ContainerRecord>,
        #[serde(default)]
        seccomp: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        notify: Option<u32>,
    },
    /// Make a process in the container `root/id` that is ready to execute its program, which `release` starts. `interruptible` as in
    /// `reserve`. -> `Created`
    Exec { root: String, id: String, plan: Box<ExecPlan>, interruptible: bool },
    /// Compile a seccomp filter. `handle` is the profile's, from `readConfig`; it is closed. -> `Handle`
    CompileSeccomp { handle: Option<u32>, profile: Box<SeccompProfile> },
    /// Keep a filter in the state directory of the container of `lock`, for `exec`; `create` does it by itself. -> `Done`
    KeepSeccomp { lock: u32, handle: u32 },
    /// -> `SeccompFacts`
    SeccompFacts,
    /// Let a created process live on when this one exits (and, with `GatePlan::Channel`, start it). `subreaper`: make this process the
    /// subreaper before the program's first instruction; `foreground` reaps the orphans. -> `Done`
    Release {
        handle: u32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
        subreaper: bool,
    },
    /// Open the start gate of a locked container and wait until its program is executed, or fails to be. `notifySocket` is the caller's
    /// NOTIFY_SOCKET, for a container with a notify socket. -> `Started`
    Start { lock: u32, #[serde(default)] notify_socket: Option<String> },
    /// Whether the init still waits at the start gate. -> `Flag`
    AtGate { lock: u32 },
    /// Whether the process lives (a zombie does not). -> `Flag`
    Alive { process: ProcessIdentity },
    /// Signal the process through a verified pidfd. `Finished` if it has exited. -> `Done`
    Kill { process: ProcessIdentity, signal: i32 },
    /// Signal every process in the cgroups. -> `Flag` (true: there was one)
    KillCgroup { paths: Vec<String>, signal: i32 },
    /// Wait until the process has exited. -> `Flag` (false: timeout)
    WaitGone { process: ProcessIdentity, timeout_milliseconds: u32 },
    /// Watch several sources until the handle is closed. -> `Handle`
    Watch { sources: Vec<EventSource> },
    /// Wait for the next event of a handle of `watch`. `Finished` if no source can have another one. `interruptible`: fail with `Interrupted`
    /// on SIGHUP, SIGINT, SIGQUIT and SIGTERM; between two of these requests those signals end this process. -> `Event`
    NextEvent { handle: u32, interruptible: bool },
    /// Forward signals and, with a terminal, bytes and window sizes, until the container's process has exited and is reaped; then restore the
    /// terminal. `notify` is a handle of `bindNotify` whose `READY=` is forwarded meanwhile. -> `Exit`
    Foreground { handle: u32, subreaper: bool, #[serde(default)] notify: Option<u32> },
    /// Make `notify.sock` in the container's state directory; `socket` is the caller's NOTIFY_SOCKET (sd_notify(3)). -> `Handle`
    BindNotify { lock: u32, socket: String },
    /// Wait until the container sends `READY=1` or its process exits; then send the caller's NOTIFY_SOCKET the same, with `MAINPID=`.
    /// -> `Flag` (true: it is ready)
    AwaitNotify { handle: u32, process: ProcessIdentity },
    /// Run hooks in the runtime namespace, one after another, with the state on stdin. -> `Done`
    RunHooks { hooks: Vec<Hook>, state: HookState, #[serde(default)] output: Option<HookOutput> },
    /// Take all steps, even if one fails; the first failure is reported. -> `Done`
    Undo { steps: Vec<Undo> },
    /// Describes the limit that the OOM killer enforced in one of the cgroups; empty if it killed nothing there. -> `Text`
    OutOfMemory { cgroups: Vec<String> },
    /// Change a container's limits: all or none. -> `Done`
    ChangeLimits { change: Box<LimitChange> },
    /// Whether a cgroup (v1 freezer directory or v2) is frozen. -> `Flag`
    Frozen { path: String },
    /// Freeze a cgroup tree and wait until it is frozen. On a timeout or an interrupt it is thawed again. -> `Done`
    Freeze { path: String, timeout_milliseconds: u32 },
    /// Thaw a cgroup; fails without a change if an ancestor is frozen too. -> `Done`
    Thaw { path: String },
    /// Thaw a v1 freezer tree so that its killed processes can exit. -> `Done`
    ThawKilled { path: String },
    /// The processes in a cgroup tree, as numbered by this process's pid namespace. -> `Pids`
    CgroupProcesses { path: String },
    /// Run the first of the programs that exists, with the caller's environment and stdin from /dev/null, and wait for its exit.
    /// `NotFound` if none exists. -> `Finished`
    RunProgram { candidates: Vec<String>, args: Vec<String> },
    /// Names in a directory, sorted; empty if there is no such directory. -> `Names`
    ListDirectory { path: String },
    /// Current time, RFC 3339 with nanoseconds, UTC. -> `Text`
    Now,
    /// Login name of a uid in the host's passwd, or the number. -> `Text`
    UserName { uid: u32 },
    /// Id of the mount that a path is on (statx(2), STATX_MNT_ID). -> `Number`
    MountId { path: String },
    /// Mount and unmount in a running container. -> `Done`
    ChangeMounts { root: String, id: String, plan: MountsPlan },
    /// Mount point of the last mount of a file system type; empty if there is none. -> `Text`
    FindMount { fs_type: String },
    /// Make a directory and its parents with mode 0700; an existing one keeps its mode. New ones get mode 0710 and the group `group`, if set.
    /// -> `Done`
    MakeDirectory {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        group: Option<u32>,
    },
    /// Write a file, created with mode 0600 or truncated. -> `Done`
    WriteFile { path: String, text: String },
    /// Target of a symbolic link, also of a magic link in procfs. -> `Text`
    ReadLink { path: String },
    /// Resolve a path in the root directory `root` (openat2(2), RESOLVE_IN_ROOT). -> `Text`: absolute within that root
    ResolveInRoot { root: String, path: String },
    /// Make a missing mount point in the root directory `root`: a directory if `source` is absent or a directory, else a file. -> `Done`
    MakeMountPoint { root: String, path: String, source: Option<String> },
    /// Check that one of the caller's descriptors is writable. -> `Done`
    RequireWritable { descriptor: i32 },
    /// Write one zero byte to one of the caller's descriptors. -> `Done`
    WriteZero { descriptor: i32 },

    /// Start CRIU (`criu swrk`), looked up in PATH; `NotFound` if it is not there. CRIU's standard streams are the caller's (`stdio`) or
    /// /dev/null. It inherits descriptors of the files `inherit`. This process opens `directories`, where CRIU looks them up. -> `Criu`
    StartCriu { stdio: bool, directories: Vec<String>, inherit: Vec<String> },
    /// Send CRIU a message and wait for its response. -> `CriuResponse`
    CallCriu { handle: u32, request: Box<CriuRequest> },
    /// Make the container's cgroups and move CRIU into them, so that the processes it restores are there too. If this fails, none is left.
    /// -> `Text`: CRIU's /proc/PID/cgroup
    PlaceCriu { handle: u32, lock: u32, cgroup: Box<CgroupPlan> },
    /// Bring up the loopback interface in the network namespace of `pid`, a process that CRIU has made and keeps stopped. -> `Done`
    BringLoopbackUp { pid: i32 },
    /// Wait for CRIU to exit. -> `Number`: its exit status, or 128 + signal
    WaitCriu { handle: u32 },
    /// Adopt the restored process `pid`; closing the handle kills it unless it was released. `foreground`: keep its terminal, whose master
    /// CRIU sent. Its pid is written to `pidFile`, which is removed if it is killed. -> `Created`
    AdoptRestored { handle: u32, pid: i32, foreground: bool, pid_file: Option<String> },
    /// Send the restored terminal's master, which CRIU sent, to a Unix socket. -> `Done`
    SendMaster { handle: u32, path: String },
    /// Bind a root file system in the state directory: CRIU wants a mount point that nothing is mounted over. -> `Text`: its path
    MountRoot { lock: u32, rootfs: String },
    /// Undo `mountRoot`. -> `Done`
    UnmountRoot { lock: u32 },
}
}

plain! {
/// The seccomp profile in a configuration.
pub struct SeccompText {
    pub handle: u32,
    /// There is a cached filter: pass the handle to `create`, without `compileSeccomp`.
    pub is_cached: bool,
}
}

plain! {
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Reply {
    Done,
    Text { text: String },
    Config { text: String, #[serde(default)] seccomp: Option<SeccompText> },
    SeccompFacts { facts: SeccompFacts },
    Names { names: Vec<String> },
    /// The names in the state root, sorted, with a summary each. Null: the core must look at what has this name by itself.
    Summaries { names: Vec<String>, summaries: Vec<Option<ContainerSummary>> },
    Values { values: Vec<Option<String>> },
    Flag { flag: bool },
    Number { number: u32 },
    Pids { pids: Vec<i32> },
    /// `status` as in `Exit`. Invalid UTF-8 in the output becomes U+FFFD.
    Finished { status: u32, stdout: String, stderr: String },
    Handle { handle: u32 },
    Facts { facts: HostFacts },
    Systemd { facts: SystemdFacts },
    /// `warnings`: those that were not known before the plan was executed.
    Created { handle: u32, process: ProcessIdentity, warnings: Vec<Warning> },
    /// `notify`: handle of the container's notify socket, as from `bindNotify`.
    Started { #[serde(default)] notify: Option<u32> },
    /// `source`: index in `watch`. `text`: the file's contents, or the number of times.
    Event { source: u32, #[serde(default)] text: Option<String> },
    /// Descriptor numbers in the order of the request: `directories` in this process, `inherited` in CRIU's.
    Criu { handle: u32, directories: Vec<i32>, inherited: Vec<i32> },
    CriuResponse { response: CriuResponse },
    /// Exit status as in a shell: the code, or 128 + signal.
    Exit { status: u32 },
    Failed { failure: Failure },
}
}
