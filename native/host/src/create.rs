//! Creates a container: cgroups, process, the conversation with its init up to the start gate. Runs in the runtime's
//! process; init/src/protocol.rs draws the other side.

use std::ffi::CString;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{recvmsg, socketpair, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType};
use rustix::process::{pidfd_send_signal, waitid, Signal, WaitId, WaitIdOptions};
use tsrunc_init::gate::send_descriptor;
use tsrunc_init::hooks::run_hook;
use tsrunc_init::process::set_limits;
use tsrunc_init::protocol::{Channel, Console, FromInit, Gate, InitPlan, SeccompFilter, ToInit};
use tsrunc_init::schedule::schedule;
use tsrunc_plan::container::{ConsolePlan, ContainerPlan, GatePlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::Operation;
use tsrunc_plan::request::ProcessIdentity;
use tsrunc_plan::systemd::SystemdUnit;
use tsrunc_plan::warning::Warning;
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::namespaces::{clone_flag, type_of};
use tsrunc_sys::spawn::{spawn, Spawn, Spawned, Step};

use crate::init_program::{self, InitProgram};
use crate::mapped_mounts::User;
use crate::net_devices::{self, Moved};
use crate::seccomp::{hand_over, process_state, Filter};
use crate::store::Lock;
use crate::{bind_sources, cgroup, gate, idmap, mapped_mounts, processes, resctrl, systemd};

/// A container at its start gate that dies with this value unless it is released.
pub struct Pending {
    pub identity: ProcessIdentity,
    pub pidfd: OwnedFd,
    /// For the caller to tell.
    pub warnings: Vec<Warning>,
    /// The terminal's master, for `ConsolePlan::Keep`.
    pub master: Option<OwnedFd>,
    /// Given back if the container does not come to stand.
    net_devices: Option<Moved>,
    channel: Option<Channel>,
    /// The state that startContainer hooks read.
    state: String,
    starts: bool,
    released: bool,
}

impl Pending {
    /// Lets the container live on; with `GatePlan::Channel` starts it and waits for the exec.
    pub fn release(&mut self) -> Result<(), Failure> {
        let Some(channel) = self.channel.take() else { return Ok(()) };
        channel.send(&ToInit::Release { state: std::mem::take(&mut self.state) })?;
        if self.starts {
            channel.send(&ToInit::Start)?;
            gate::await_exec(&channel)?;
        }
        if let Some(moved) = &mut self.net_devices {
            moved.keep();
        }
        self.released = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.released {
            // First: the network namespace goes with its last user.
            drop(self.net_devices.take());
            kill_and_reap(&self.pidfd);
        }
    }
}

/// Kills a child and waits for it. A child that is gone already is what was wanted.
fn kill_and_reap(pidfd: &OwnedFd) {
    if let Err(_gone) = pidfd_send_signal(pidfd, Signal::KILL) {}
    if let Err(_reaped) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {}
}

/// What create opens for the init before there is one.
struct Opened {
    /// Namespaces to join, in the plan's order.
    joins: Vec<(Namespace, OwnedFd)>,
    gate: Option<OwnedFd>,
    console: Option<OwnedFd>,
    pidfd_receiver: Option<OwnedFd>,
    /// Of the seccomp listener.
    seccomp_receiver: Option<OwnedFd>,
}

/// Makes the container described by `plan`, up to its start gate.
///
/// # Errors
/// The failing operation; everything that was made is undone, but for the state directory, which is the caller's.
pub fn create(init: InitProgram, lock: &Lock, plan: &ContainerPlan, filter: Option<&Filter>) -> Result<Pending, Failure> {
    let mut opened = open_all(lock, plan)?;
    if let Some(listener) = filter.and_then(|filter| filter.listener.as_ref()) {
        opened.seccomp_receiver = Some(gate::connect_to(&listener.path, "seccomp listener")?);
    }
    // Systemd makes its units for processes that are there.
    let joined = if plan.cgroup.systemd.is_some() { cgroup::Joined::default() } else { cgroup::make(&plan.cgroup)? };
    let result = init_program::open(init, lock, has_user_namespace(plan))
        .and_then(|program| make_process(lock, plan, opened, &Start { program, joined: &joined, filter }));
    if result.is_err() {
        cgroup::remove_made(&joined.made);
        if let Some(SystemdUnit { name, description, bus, .. }) = &plan.cgroup.systemd {
            // The first failure is the one to tell; the state's undo list has the unit too.
            if let Err(_second) = systemd::stop(name, description, bus) {}
        }
    }
    result
}

fn open_all(lock: &Lock, plan: &ContainerPlan) -> Result<Opened, Failure> {
    let mut joins = Vec::new();
    for join in &plan.spawn.join {
        let during = || format!("open namespace {:?} ({})", join.path, join.pointer);
        let fd = rustix::fs::open(join.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).during(during)?;
        match type_of(fd.as_fd()) {
            Ok(flag) if flag == clone_flag(join.namespace) => {}
            Ok(_) => return Err(Failure::new(FailureCode::Other, during(), "a namespace of another type")),
            Err(_) => return Err(Failure::new(FailureCode::Other, during(), "not a namespace")),
        }
        joins.push((join.namespace, fd));
    }
    refuse_own_namespace(plan, &joins)?;
    Ok(Opened {
        joins,
        gate: match plan.gate {
            GatePlan::Socket => Some(gate::make(lock)?),
            GatePlan::Channel => None,
        },
        console: match &plan.console {
            ConsolePlan::Socket { path } => Some(gate::connect_to(path, "console socket")?),
            ConsolePlan::None | ConsolePlan::Keep => None,
        },
        pidfd_receiver: plan.pidfd_socket.as_ref().map(|path| gate::connect_to(path, "pidfd socket")).transpose()?,
        seccomp_receiver: None,
    })
}

/// A namespace that is joined by path may be the caller's own: then its names and parameters are the host's.
fn refuse_own_namespace(plan: &ContainerPlan, joins: &[(Namespace, OwnedFd)]) -> Result<(), Failure> {
    for (namespace, joined) in joins {
        let Some(operation) = plan.operations.iter().find_map(|operation| changes(operation, *namespace)) else { continue };
        let link = match namespace {
            Namespace::Network => "/proc/self/ns/net",
            Namespace::Ipc => "/proc/self/ns/ipc",
            _ => "/proc/self/ns/uts",
        };
        let (own, joined) = (rustix::fs::stat(link).during(|| operation.clone())?, rustix::fs::fstat(joined).during(|| operation.clone())?);
        if (own.st_dev, own.st_ino) == (joined.st_dev, joined.st_ino) {
            let kind = format!("{namespace:?}").to_lowercase();
            return Err(Failure::new(FailureCode::Other, operation, format!("the {kind} namespace is the caller's own, it would change the host")));
        }
    }
    Ok(())
}

/// What an operation changes in a namespace of that type.
fn changes(operation: &Operation, namespace: Namespace) -> Option<String> {
    match (operation, namespace) {
        (Operation::Sysctl { name, .. }, Namespace::Network) if name.starts_with("net/") => Some(format!("set sysctl {name:?}")),
        (Operation::Sysctl { name, .. }, Namespace::Ipc) if !name.starts_with("net/") && name != "kernel/domainname" => Some(format!("set sysctl {name:?}")),
        (Operation::Sysctl { name, .. }, Namespace::Uts) if name == "kernel/domainname" => Some(format!("set sysctl {name:?}")),
        (Operation::Hostname { name }, Namespace::Uts) => Some(format!("set hostname {name:?}")),
        (Operation::Domainname { name }, Namespace::Uts) => Some(format!("set domainname {name:?}")),
        _ => None,
    }
}

fn has_user_namespace(plan: &ContainerPlan) -> bool {
    plan.spawn.create.contains(&Namespace::User) || plan.spawn.join.iter().any(|join| join.namespace == Namespace::User)
}

/// What the clone starts from.
struct Start<'a> {
    program: OwnedFd,
    joined: &'a cgroup::Joined,
    filter: Option<&'a Filter>,
}

fn make_process(lock: &Lock, plan: &ContainerPlan, mut opened: Opened, start: &Start<'_>) -> Result<Pending, Failure> {
    let mut operations = plan.operations.clone();
    // Only now: a mount of type cgroup binds the container's own cgroups.
    let in_user_namespace = has_user_namespace(plan);
    let mut bind_sources = if in_user_namespace && !plan.spawn.rootless { bind_sources::open_all(&mut operations)? } else { Vec::new() };
    let user = match opened.joins.iter().find(|(namespace, _)| *namespace == Namespace::User) {
        Some((_, joined)) => User::Joined(joined.as_fd()),
        None if in_user_namespace => User::New,
        None => User::Callers,
    };
    mapped_mounts::lend(&mut operations, user, &mut bind_sources)?;
    let during = || "make the init's socket".to_owned();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(during)?;
    // Node marks its standard streams close-on-exec.
    let mut inherit: Vec<i32> = vec![0, 1, 2, theirs.as_raw_fd()];
    // Node.js sets close-on-exec on all that it was given (libuv's uv_disable_stdio_inheritance).
    inherit.extend((0..3).filter(|number| tsrunc_sys::process::is_open(*number).is_ok()));
    inherit.extend(bind_sources.iter().chain(&opened.gate).chain(&opened.console).map(AsRawFd::as_raw_fd));
    let join: Vec<(Namespace, i32)> = opened
        .joins
        .iter()
        .filter(|(namespace, _)| !matches!(namespace, Namespace::User | Namespace::Pid))
        .map(|(namespace, fd)| (*namespace, fd.as_raw_fd()))
        .collect();
    inherit.extend(join.iter().map(|(_, number)| number));
    inherit.extend(preserved(plan, lock, &inherit)?);

    let spawned = clone_init(plan, &opened, start, &CloneFds { report: &theirs, inherit: &inherit })?;
    let mut pending = Pending {
        identity: ProcessIdentity { pid: spawned.pid, start_time_ticks: String::new() },
        pidfd: spawned.pidfd,
        warnings: start.filter.map_or_else(Vec::new, |filter| filter.warnings.clone()),
        master: None,
        net_devices: None,
        channel: None,
        state: String::new(),
        starts: matches!(plan.gate, GatePlan::Channel),
        released: false,
    };
    drop(theirs);
    pending.identity.start_time_ticks = processes::start_time(spawned.pid)?;
    if let Some(unit) = &plan.cgroup.systemd {
        // The init waits for its plan meanwhile.
        systemd::start(unit, spawned.pid)?;
        cgroup::complete(&plan.cgroup, spawned.pid)?;
    }
    if let Some(score) = plan.spawn.oom_score_adj {
        let path = format!("/proc/{}/oom_score_adj", spawned.pid);
        std::fs::write(&path, score.to_string()).during(|| format!("write {score} to {path:?} (/process/oomScoreAdj)"))?;
    }
    if let Some(resctrl) = &plan.resctrl {
        resctrl::assign(resctrl, spawned.pid)?;
    }
    if let Some(devices) = &plan.net_devices {
        pending.net_devices = Some(net_devices::move_all(devices, network_namespace(&opened, &pending)?)?);
    }
    let channel = Channel::new(ours);
    let init_plan = InitPlan {
        join,
        new_cgroup_namespace: plan.spawn.create.contains(&Namespace::Cgroup),
        new_network_namespace: plan.spawn.create.contains(&Namespace::Network),
        enter_time_namespace: !plan.spawn.clock_offsets.is_empty(),
        in_user_namespace,
        expected_maps: (!plan.spawn.create.contains(&Namespace::User) && !plan.spawn.uid_mappings.is_empty())
            .then(|| (plan.spawn.uid_mappings.clone(), plan.spawn.gid_mappings.clone())),
        keyring: keyring_name(plan)?,
        operations,
        process: plan.process.clone(),
        gate: opened.gate.as_ref().map_or(Gate::Channel, |fd| Gate::Socket(fd.as_raw_fd())),
        console: match (&plan.console, &opened.console) {
            (ConsolePlan::Socket { .. }, Some(fd)) => Console::Socket(fd.as_raw_fd()),
            (ConsolePlan::Keep, _) => Console::Channel,
            _ => Console::None,
        },
        bind_sources: bind_sources.iter().map(AsRawFd::as_raw_fd).collect(),
        seccomp: start.filter.map(|filter| SeccompFilter { program: filter.program.clone(), flags: filter.flags }),
    };
    // A failure to send means that the child ended before it could read: it says why.
    let sent = channel.send(&ToInit::Plan(Box::new(init_plan)));
    let metadata = start.filter.and_then(|filter| filter.listener.as_ref()).and_then(|listener| listener.metadata.as_deref());
    let mut answerer = opened.seccomp_receiver.take().map(|receiver| Answerer { receiver, metadata });
    converse(plan, &channel, &mut pending, &mut answerer).map_err(|failure| sent.err().filter(|_| failure.operation.is_empty()).unwrap_or(failure))?;
    if let Some(receiver) = &opened.pidfd_receiver {
        send_descriptor(receiver.as_fd(), pending.pidfd.as_fd()).during(|| "send the pidfd to the pidfd socket".into())?;
    }
    if let Some(path) = &plan.pid_file {
        crate::files::write_pid_file(path, spawned.pid)?;
    }
    pending.state = hook_state(plan, spawned.pid, "created")?;
    pending.channel = Some(channel);
    Ok(pending)
}

/// The container's network namespace: the one that it joins, or its first process's own.
fn network_namespace(opened: &Opened, pending: &Pending) -> Result<OwnedFd, Failure> {
    let during = || "open the container's network namespace".to_owned();
    match opened.joins.iter().find(|(namespace, _)| *namespace == Namespace::Network) {
        Some((_, joined)) => rustix::io::fcntl_dupfd_cloexec(joined, 3).during(during),
        None => rustix::fs::open(format!("/proc/{}/ns/net", pending.identity.pid), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during),
    }
}

/// The numbers that `--preserve-fds` and socket activation name. One that is ours was not open when we started, nor was
/// Node.js's: it makes an epoll(7) instance first of all, so that takes the first number after those it was given.
fn preserved(plan: &ContainerPlan, lock: &Lock, ours: &[i32]) -> Result<Vec<i32>, Failure> {
    let numbers: Vec<i32> = (0..plan.process.preserve_fds).map(|index| 3 + index as i32).collect();
    for number in &numbers {
        let open = tsrunc_sys::process::is_open(*number).is_ok();
        if !open || ours.contains(number) || lock.holds(*number) || is_epoll(*number) {
            return Err(Failure::new(FailureCode::BadRequest, format!("preserve file descriptor {number}"), "it is not open"));
        }
    }
    Ok(numbers)
}

fn is_epoll(number: i32) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|link| link.as_os_str() == "anon_inode:[eventpoll]")
}

struct CloneFds<'a> {
    report: &'a OwnedFd,
    inherit: &'a [i32],
}

/// Clones the init; where a user namespace is made or joined, writes its maps meanwhile.
fn clone_init(plan: &ContainerPlan, opened: &Opened, start: &Start<'_>, fds: &CloneFds<'_>) -> Result<Spawned, Failure> {
    let argument = |text: String| CString::new(text).map_err(|error| Failure::new(FailureCode::BadRequest, "clone the init", error.to_string()));
    let args = [argument("tsrunc-init".into())?, argument(fds.report.as_raw_fd().to_string())?];
    let makes_user = plan.spawn.create.contains(&Namespace::User);
    let find = |namespace: Namespace| opened.joins.iter().find(|(known, _)| *known == namespace).map(|(_, fd)| fd.as_fd());
    let clock_offsets = clock_offsets(plan)?;
    // Made later: the cgroup namespace in its cgroup, a time namespace with offsets before anybody is in it.
    let is_made = |namespace: &Namespace| *namespace != Namespace::Cgroup && (*namespace != Namespace::Time || clock_offsets.is_none());
    let namespaces = plan.spawn.create.iter().filter(|namespace| is_made(namespace)).fold(0, |flags, namespace| flags | clone_flag(*namespace));
    let (wait, go) = match makes_user {
        true => rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map(|(read, write)| (Some(read), Some(write))).during(|| "make a pipe".into())?,
        false => (None, None),
    };
    let request = Spawn {
        namespaces,
        join_user: find(Namespace::User),
        join_pid: find(Namespace::Pid),
        wait: wait.as_ref().map(AsFd::as_fd),
        clock_offsets: clock_offsets.as_deref(),
        become_root: has_user_namespace(plan),
        cgroup: start.joined.clone_into.as_ref().map(AsFd::as_fd),
        tasks: &start.joined.tasks,
        program: start.program.as_fd(),
        args: &args,
        inherit: fds.inherit,
        report: fds.report.as_fd(),
    };
    let during = || format!("clone the container's process with namespaces {}", names(&plan.spawn.create));
    let spawned = spawn(&request).during(during)?;
    if let Some(go) = go {
        let mapped = idmap::write_maps(spawned.pid, &plan.spawn).and_then(|()| rustix::io::write(&go, &[1]).during(|| "let the init go on".into()));
        if let Err(failure) = mapped {
            kill_and_reap(&spawned.pidfd);
            return Err(failure);
        }
    }
    Ok(spawned)
}

/// The lines of timens_offsets (time_namespaces(7)).
fn clock_offsets(plan: &ContainerPlan) -> Result<Option<CString>, Failure> {
    let lines: String = plan.spawn.clock_offsets.iter().map(|offset| format!("{} {} {}\n", offset.clock, offset.secs, offset.nanosecs)).collect();
    let text = CString::new(lines).map_err(|error| Failure::new(FailureCode::BadRequest, "set clock offsets", error.to_string()))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn names(namespaces: &[Namespace]) -> String {
    let names: Vec<String> = namespaces.iter().map(|namespace| format!("{namespace:?}").to_lowercase()).collect();
    names.join(", ")
}

/// Who answers for filtered system calls.
struct Answerer<'a> {
    receiver: OwnedFd,
    metadata: Option<&'a str>,
}

/// Answers the init until it waits at its gate.
fn converse(plan: &ContainerPlan, channel: &Channel, pending: &mut Pending, answerer: &mut Option<Answerer<'_>>) -> Result<(), Failure> {
    loop {
        match next_message(channel)? {
            FromInit::Ready => return Ok(()),
            FromInit::Failed(failure) => return Err(failure),
            FromInit::Executing => return Err(Failure::new(FailureCode::Other, "wait for the init", "it answered out of turn")),
            FromInit::Terminal => pending.master = Some(receive_descriptor(channel)?),
            FromInit::Listener(number) => {
                let during = || "take the seccomp listener from the init".to_owned();
                let Answerer { receiver, metadata } = answerer.take().ok_or_else(|| Failure::new(FailureCode::Other, during(), "nobody waits for it"))?;
                let listener = tsrunc_sys::seccomp::take_descriptor(&pending.pidfd, number).during(during)?;
                let state = process_state(pending.identity.pid, &hook_state(plan, pending.identity.pid, "creating")?, metadata)?;
                hand_over(receiver, &listener, &state)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Limits => {
                // In a user namespace the init could not raise any (prlimit(2), CAP_SYS_RESOURCE).
                set_limits(pending.identity.pid, &plan.process.rlimits)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Schedule => {
                schedule(pending.identity.pid, &plan.operations)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Hooks => {
                let state = hook_state(plan, pending.identity.pid, "creating")?;
                plan.runtime_hooks.iter().try_for_each(|hook| run_hook(hook, &state))?;
                channel.send(&ToInit::Continue { state })?;
            }
        }
    }
}

/// The init's next message, or what stopped it before its exec: then it reported step and errno in eight bytes.
fn next_message(channel: &Channel) -> Result<FromInit, Failure> {
    let mut head = [0u8; 8];
    let (count, _) = rustix::net::recv(channel.socket(), &mut head, RecvFlags::PEEK | RecvFlags::WAITALL).during(|| "wait for the init".into())?;
    if count == 8 {
        let number = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        // A message begins with its length, a report with a step, which is negative.
        if let Some(step) = Step::from_number(number(0)) {
            let operation = match step {
                Step::JoinUser => "join user namespace",
                Step::JoinPid => "join pid namespace",
                Step::Clone => "clone the container's process in the joined user namespace",
                Step::Wait => "wait for the id maps",
                Step::UnshareTime => "make the time namespace",
                Step::SetClocks => "write \"/proc/self/timens_offsets\" (/linux/timeOffsets)",
                Step::BecomeRoot => "become root of the user namespace",
                Step::JoinCgroup => "join the container's cgroups",
                Step::Inherit => "pass descriptors to the init",
                Step::Execute => "execute the init",
            };
            return Err(os_failure(operation.into(), rustix::io::Errno::from_raw_os_error(number(4))));
        }
    }
    channel.receive()?.ok_or_else(|| Failure::new(FailureCode::Other, "wait for the init", "it was killed (out of memory, or a signal from outside)"))
}

fn receive_descriptor(channel: &Channel) -> Result<OwnedFd, Failure> {
    let during = || "receive the terminal".to_owned();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0u8; 9]; // as long as send_descriptor's text: the next message follows it
    recvmsg(channel.socket(), &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC).during(during)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    received.ok_or_else(|| Failure::new(FailureCode::Other, during(), "no descriptor came"))
}

/// runc's name for a container's session keyring.
fn keyring_name(plan: &ContainerPlan) -> Result<String, Failure> {
    Ok(format!("_ses.{}", hook_state_object(plan)?.get("id").and_then(|id| id.as_str()).unwrap_or("")))
}

fn hook_state_object(plan: &ContainerPlan) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    serde_json::from_str(&plan.hook_state).map_err(|error| Failure::new(FailureCode::BadRequest, "read the hooks' state", error.to_string()))
}

fn hook_state(plan: &ContainerPlan, pid: i32, status: &str) -> Result<String, Failure> {
    let mut state = hook_state_object(plan)?;
    state.insert("status".into(), status.into());
    state.insert("pid".into(), pid.into());
    serde_json::to_string(&state).map_err(|error| Failure::new(FailureCode::Other, "write the hooks' state", error.to_string()))
}
