//! The requests of the core and their replies: `Door.call(request) -> reply`.

use crate::cgroup::CgroupPlan;
use crate::container::{ContainerPlan, ExecPlan, MountsPlan};
use crate::criu::{CriuRequest, CriuResponse};
use crate::failure::Failure;
use crate::operation::{Hook, HookOutput, HookState};
use crate::record::{ContainerRecord, SettledContainer};
use crate::seccomp::{SeccompFacts, SeccompProfile};
use crate::systemd::{BusAddress, SystemdFacts};
use crate::update::LimitChange;
use crate::warning::Warning;
use crate::{plain, tagged};

plain! {
/// A process, named so that a reused pid is not mistaken for it (proc_pid_stat(5), field 22).
pub struct ProcessIdentity {
    pub pid: i32,
    /// Clock ticks since boot, decimal.
    pub start_time_ticks: String,
}
}

tagged! { "op", undo_reader, "Undo";
/// Undone in the given order by `undo`; each is safe to repeat and to run half-done.
pub enum Undo {
    /// Kill everything in the cgroup tree and remove it with its children.
    RemoveCgroup { path: String },
    /// Remove the cgroup tree once its processes have ended, as those of a container with its own pid namespace do with its
    /// init. A tree with live processes is somebody else's by now and stays.
    RemoveVacatedCgroup { path: String },
    /// Remove the directory if it is an empty cgroup (a parent that create made).
    RemoveEmptyCgroup { path: String },
    /// Stop a unit of systemd and forget its failure, if it is still the one of that description.
    StopUnit { unit: String, description: String, bus: BusAddress },
    /// Detach what is mounted at a path, with everything below it, until the mount `above` (an id) is what is seen there
    /// (container without a mount namespace).
    Unmount { path: String, above: u32 },
    /// Remove a directory of resctrl; its processes go to the group above.
    RemoveResctrlGroup { path: String },
}
}

tagged! { "kind", event_source_reader, "EventSource";
/// What `nextEvent` waits for.
pub enum EventSource {
    /// The process ends, or has ended already. Comes once.
    ProcessEnd { process: ProcessIdentity },
    /// Every so many milliseconds, first after that time.
    Interval {
        // A duration of Go, which callers give, has at most 2^44 of them.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        milliseconds: u64,
    },
    /// A file of a cgroup that tells of its changes (memory.events, cgroup.events) changes; the event has its contents. Once without contents
    /// when the cgroup is removed.
    FileChange { path: String },
    /// Memory runs out in a cgroup of v1, given by its directory in the hierarchy of the memory controller. The event has how often since the
    /// last one; the removal of the cgroup is not counted, and comes with 0 if nothing else happened.
    OutOfMemory { cgroup: String },
    /// Nobody reads this process's standard output any more.
    OutputClosed,
}
}

plain! {
/// A part of a datagram. One that is sized follows its length in bytes, as 64 bits in little endian (the native protocol of systemd's journal).
pub struct DatagramPart {
    pub text: String,
    #[serde(default)]
    pub sized: bool,
}
}

tagged! { "op", request_reader, "Request";
pub enum Request {
    /// -> `Reply::Text`
    ReadFile { path: String, max_bytes: u32 },
    /// Everything that stdin has, at most so much of it. -> `Text`
    ReadStdin { max_bytes: u32 },
    /// The texts of kernel files without their last newline, null for one that does not exist, that can only be written, or that the kernel does
    /// not serve there. -> `Values`
    ReadValues { paths: Vec<String> },
    /// Read a configuration. Where the state directory `root` keeps a filter that was compiled from the very text of its seccomp
    /// profile, the text comes with a profile in its place that allows everything: nothing need look at it again. -> `Config`
    ReadConfig { path: String, max_bytes: u32, root: String },
    /// Create a file that must not exist (O_EXCL). -> `Done`
    CreateFile { path: String, text: String, mode: u32 },
    /// Append a line to a file, made with mode 0644 when missing (log). -> `Done`
    AppendFile { path: String, text: String },
    /// Send one datagram to a socket of the file system (a daemon that takes log messages); none where there are no parts, but the socket must
    /// be there. -> `Done`
    SendDatagram { path: String, parts: Vec<DatagramPart> },
    /// Absolute path without symbolic links of a directory; fails when it is none. -> `Text`
    ResolveDirectory { path: String },
    /// Absolute path without resolving symbolic links in it (cwd joined). -> `Text`
    AbsolutePath { path: String },
    /// Fails where the caller has no terminal: neither on stdin, stdout or stderr nor a controlling one. -> `Done`
    FindTerminal,
    /// What the core must know of the host. -> `Facts`
    HostFacts,
    /// The system's service manager, or the caller's own, with its sockets below `runtimeDirectory` (default /run/user/UID).
    /// -> `Systemd`
    SystemdFacts { user: bool, #[serde(default)] runtime_directory: Option<String>, bfq: bool, oom_policy: bool },
    /// Which of the paths do not exist. -> `Names`
    Missing { paths: Vec<String> },
    /// Type of what a path (not followed at its end) is: `directory`, `file`, `symlink`, `socket`, `other`, `missing`. -> `Text`
    PathKind { path: String },

    /// Check that this many descriptors from 3 on are open, the caller's. Before `Reserve`, which opens others. -> `Done`
    RequireOpen { count: u32 },
    /// Make `root/id` with state.json holding `record` and mode 0700, atomically and locked; `Exists` when it is there.
    /// `root` is made with mode `rootMode` when missing. `endable`: until the handle is closed, signals that ask this process to end make
    /// what waits fail with `Interrupted`, and `takeOver` may end this process. -> `Handle`
    Reserve { root: String, root_mode: u32, record: Box<ContainerRecord>, endable: bool },
    /// What the state root holds, sorted; an absent one is `NotFound`. -> `Names`
    ListContainers { root: String },
    /// Look at many containers at once, without their locks. -> `Settled`
    SettledContainers { root: String, ids: Vec<String> },
    /// state.json of a container that others may be changing; an absent one is `NotFound`. Here and below, a root, a directory or a
    /// state.json that anybody but the caller and root owns or may write is refused. -> `Text`
    PeekState { root: String, id: String },
    /// state.json of a locked container. -> `Text`
    ReadState { lock: u32 },
    /// Lock `root/id` exclusively. A lock that is held for longer is `Locked`, null waits without end; an absent directory is
    /// `NotFound`. `endable` as of `reserve`. -> `Handle`
    LockContainer { root: String, id: String, #[serde(default)] patience_milliseconds: Option<u32>, endable: bool },
    /// The same; a process with `endable` that holds the lock for long is asked to end, then killed. -> `Handle`
    TakeOver { root: String, id: String },
    /// Kill the first process of a container whose create was killed. That process ends by itself, unless it was stopped. -> `Done`
    EndHalfMade { lock: u32 },
    /// Replace state.json atomically. -> `Done`
    SaveState { handle: u32, record: Box<ContainerRecord> },
    /// Remove the directory of the handle with its files, and stale leftovers of killed creates of that id. -> `Done`
    RemoveContainer { handle: u32 },
    /// Unlock, close; a container that was not released is killed and reaped. -> `Done`
    Close { handle: u32 },

    /// Make the container's cgroups and process and bring it to the start gate. `lock` is the handle of `reserve`. Then state.json
    /// is `record` with `process` and `defaults`. On failure everything this request made is undone. -> `Created`
    /// `seccomp` is the handle of a filter that stands ready; its filter is kept for the next container with that profile.
    /// `notify` is a handle of `bindNotify`: the init keeps the socket for `start`.
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
    /// Make a process in the container `root/id` and bring it to its program, which `release` starts. `endable` as of
    /// `reserve`. -> `Created`
    Exec { root: String, id: String, plan: Box<ExecPlan>, endable: bool },
    /// Compile a filter; `handle`, which is closed, is that of the text that `readConfig` found it in. -> `Handle`
    CompileSeccomp { handle: Option<u32>, profile: Box<SeccompProfile> },
    /// What the kernel knows of filters. -> `SeccompFacts`
    SeccompFacts,
    /// Let a created container live on without us (and, with `GatePlan::Channel`, start it). With `subreaper` its orphans become this process's
    /// children from its first instruction on; `foreground` reaps them. -> `Done`
    Release {
        handle: u32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
        subreaper: bool,
    },
    /// Open the gate of the container whose state directory the lock holds and wait until the user's program runs
    /// or failed to. `notifySocket` is the caller's NOTIFY_SOCKET, for a container with a notify socket. -> `Started`
    Start { lock: u32, #[serde(default)] notify_socket: Option<String> },
    /// Whether the init still waits at the gate. -> `Flag`
    AtGate { lock: u32 },
    /// `Flag`: true while the process lives (a zombie does not).
    Alive { process: ProcessIdentity },
    /// Signal the process through a pidfd, identity verified. `Finished` if it ended. -> `Done`
    Kill { process: ProcessIdentity, signal: i32 },
    /// Signal every process of the cgroups. -> `Flag` (true: there was one)
    KillCgroup { paths: Vec<String>, signal: i32 },
    /// Wait until the process is gone, at most so long. -> `Flag` (true: it is gone)
    WaitGone { process: ProcessIdentity, timeout_milliseconds: u32 },
    /// Watch several sources, until the handle is closed. -> `Handle`
    Watch { sources: Vec<EventSource> },
    /// Wait for the next event of a handle of `watch`. `Finished` when none of its sources can have one any more. `endable`: signals that ask
    /// this process to end make it fail with `Interrupted`; while nobody waits they end the process. -> `Event`
    NextEvent { handle: u32, endable: bool },
    /// Forward signals and, with a terminal, bytes and window size, until the container's process ends and is reaped;
    /// restores the terminal. `notify` is a handle of `bindNotify`, whose `READY=` is passed on meanwhile. -> `Exit`
    Foreground { handle: u32, subreaper: bool, #[serde(default)] notify: Option<u32> },
    /// Make `notify.sock` in the container's state directory, for the caller's NOTIFY_SOCKET (sd_notify(3)). -> `Handle`
    BindNotify { lock: u32, socket: String },
    /// Wait until the container says `READY=1` or its process ends; then tell the caller's NOTIFY_SOCKET, with `MAINPID=`.
    /// -> `Flag` (true: it is ready)
    AwaitNotify { handle: u32, process: ProcessIdentity },
    /// Run hooks in the runtime namespace one after another with the state on stdin. -> `Done`
    RunHooks { hooks: Vec<Hook>, state: HookState, #[serde(default)] output: Option<HookOutput> },
    /// -> `Done`; all steps are tried, the first failure is reported.
    Undo { steps: Vec<Undo> },
    /// What to say if the OOM killer took a process of one of these cgroups, else empty. -> `Text`
    OutOfMemory { cgroups: Vec<String> },
    /// Change limits of a container: all or none. -> `Done`
    ChangeLimits { change: Box<LimitChange> },
    /// Whether the cgroup at the path (v1 freezer directory or v2) is frozen. -> `Flag`
    Frozen { path: String },
    /// Freeze the cgroup at the path with everything below it, and wait until it is frozen. When that takes longer than the timeout, or is
    /// interrupted, the cgroup is thawed again. -> `Done`
    Freeze { path: String, timeout_milliseconds: u32 },
    /// Thaw the cgroup at the path; fails, without changing anything, where one above it is frozen too. -> `Done`
    Thaw { path: String },
    /// Thaw a directory of the v1 freezer and those below it, so that what was killed in them can end. -> `Done`
    ThawKilled { path: String },
    /// The processes of a cgroup and of those below it, as this process's pid namespace numbers them. -> `Pids`
    CgroupProcesses { path: String },
    /// Run the first of these programs that there is, with the caller's environment and nothing on its stdin, and wait for its end.
    /// `NotFound` where there is none of them. -> `Finished`
    RunProgram { candidates: Vec<String>, args: Vec<String> },
    /// Names in a directory, sorted; none where it is absent. -> `Names`
    ListDirectory { path: String },
    /// Current time, RFC 3339 with nanoseconds, UTC. -> `Text`
    Now,
    /// Login name of a uid in the host's passwd, or the number. -> `Text`
    UserName { uid: u32 },
    /// Id of the mount that a path lies on (statx(2), STATX_MNT_ID). -> `Number`
    MountId { path: String },
    /// Mounts into a container that runs, or unmounts there. -> `Done`
    ChangeMounts { root: String, id: String, plan: MountsPlan },
    /// Where a file system of that type is mounted last; empty where it is not. -> `Text`
    FindMount { fs_type: String },
    /// Make a directory with mode 0700, and those above it; one that is there stays as it is. The members of `group` may pass through a new one
    /// (mode 0710). -> `Done`
    MakeDirectory {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        group: Option<u32>,
    },
    /// Write a file with mode 0600, in place of what it held. -> `Done`
    WriteFile { path: String, text: String },
    /// What a symbolic link says, also one of procfs. -> `Text`
    ReadLink { path: String },
    /// Where a path leads below the root directory `root` (openat2(2), RESOLVE_IN_ROOT), absolute from there. -> `Text`
    ResolveInRoot { root: String, path: String },
    /// Make what is to be mounted on at a path below the root directory `root`, where it is missing: a directory, or a file where `source` is
    /// none. -> `Done`
    MakeMountPoint { root: String, path: String, source: Option<String> },
    /// Check that a descriptor of the caller can be written to. -> `Done`
    RequireWritable { descriptor: i32 },
    /// Write one zero byte to a descriptor of the caller. -> `Done`
    WriteZero { descriptor: i32 },

    /// Start CRIU (`criu swrk`), found by PATH; `NotFound` where it is not. It gets the caller's standard streams (`stdio`) or /dev/null, and
    /// descriptors of the files `inherit`; `directories` are opened for it to find in this process. -> `Criu`
    StartCriu { stdio: bool, directories: Vec<String>, inherit: Vec<String> },
    /// Send CRIU a message and wait for its next one. -> `CriuAnswer`
    AskCriu { handle: u32, request: Box<CriuRequest> },
    /// Make the container's cgroups and put CRIU into them, with the processes that it restores. On failure none is left.
    /// -> `Text`: CRIU's /proc/PID/cgroup
    PlaceCriu { handle: u32, lock: u32, cgroup: Box<CgroupPlan> },
    /// Bring the loopback interface up in the network namespace of the process `pid`, which CRIU has made and holds still. -> `Done`
    BringLoopbackUp { pid: i32 },
    /// Wait for CRIU's end. -> `Number`: its exit status, or 128 + signal
    EndCriu { handle: u32 },
    /// Take over the restored process `pid`, which dies with the handle unless it is released. `stays`: with the terminal that CRIU handed over.
    /// `pidFile` gets its pid, and is removed if it dies. -> `Created`
    AdoptRestored { handle: u32, pid: i32, stays: bool, pid_file: Option<String> },
    /// Send the master of the restored terminal, which CRIU handed over, to a Unix socket. -> `Done`
    SendMaster { handle: u32, path: String },
    /// Mount a root file system in the state directory, for CRIU: it wants a mount point with nothing above it. -> `Text`: where
    MountRoot { lock: u32, rootfs: String },
    /// Undo that. -> `Done`
    UnmountRoot { lock: u32 },
}
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum CgroupMode { None, V1, Hybrid, V2 }
}

plain! {
/// A cgroup hierarchy that is mounted.
pub struct Hierarchy {
    /// `memory`, `cpu,cpuacct` as two entries, `name=systemd`; empty for cgroup2.
    pub controllers: Vec<String>,
    pub mountpoint: String,
    /// The caller's own cgroup in it, absolute from the hierarchy's root.
    pub own: String,
}
}

plain! {
pub struct HostFacts {
    pub euid: u32,
    pub egid: u32,
    /// The caller is in a user namespace that is not the initial one.
    pub in_user_namespace: bool,
    pub cgroup_mode: CgroupMode,
    pub hierarchies: Vec<Hierarchy>,
    /// Controllers of the cgroup2 root's cgroup.controllers.
    pub v2_controllers: Vec<String>,
    /// Highest capability the kernel knows (/proc/sys/kernel/cap_last_cap).
    pub last_capability: u32,
    /// Those up to there that the caller is without.
    pub lacked_capabilities: Vec<u32>,
}
}

plain! {
/// The seccomp profile of a configuration that was read.
pub struct SeccompText {
    pub handle: u32,
    /// Its filter was kept, and `create` takes the handle as it is.
    pub is_ready: bool,
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
    /// In the order of the request; none where a container has to be looked at alone.
    Settled { containers: Vec<Option<SettledContainer>> },
    Values { values: Vec<Option<String>> },
    Flag { flag: bool },
    Number { number: u32 },
    Pids { pids: Vec<i32> },
    /// `status` is as of `Exit`; bytes of the output that are not UTF-8 are U+FFFD.
    Finished { status: u32, stdout: String, stderr: String },
    Handle { handle: u32 },
    Facts { facts: HostFacts },
    Systemd { facts: SystemdFacts },
    /// `warnings`: what only carrying it out has shown.
    Created { handle: u32, process: ProcessIdentity, warnings: Vec<Warning> },
    /// `notify`: handle of the container's notify socket, as of `bindNotify`.
    Started { #[serde(default)] notify: Option<u32> },
    /// `source`: index of the source in `watch`. `text`: the contents or the number of times that the source tells.
    Event { source: u32, #[serde(default)] text: Option<String> },
    /// `directories` are numbers of this process, `inherited` of CRIU's; in the order of the request.
    Criu { handle: u32, directories: Vec<i32>, inherited: Vec<i32> },
    CriuAnswer { response: CriuResponse },
    /// Exit status as a shell tells it: the code, or 128 + signal.
    Exit { status: u32 },
    Failed { failure: Failure },
}
}
