//! Creates a container: cgroups, process, the conversation with its init up to the start gate. Runs in the runtime's
//! process.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{socketpair, AddressFamily, RecvFlags, SocketFlags, SocketType};
use tsrunc_common::protocol::{require_filter, Channel, Console, Gate, InitPlan, Launch, ToInit};
use tsrunc_plan::container::{ConsolePlan, ContainerPlan, GatePlan, Namespace, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::record::ContainerRecord;
use tsrunc_sys::errno::During;
use tsrunc_sys::spawn::{SharedMemory, Spawned};

use crate::bind_sources::LentMount;
use crate::clone::{clone_init, has_user_namespace, CloneParts};
use crate::conversation::{converse, report, Conversation, ListenerReceiver, RuntimeHooks};
use crate::init_program::{self, InitProgram, OpenedInit};
use crate::interrupts::Interrupt;
use crate::joins::When;
use crate::mapped_mounts::User;
use crate::net_devices;
use crate::opened::{open_all, Opened};
use crate::pending::Pending;
use crate::seccomp::{Filter, Seccomp};
use crate::store::Lock;
use crate::{bind_sources, cgroup, cgroup_mounts, mapped_mounts, preserved, processes, resctrl, store, systemd};

/// What a create is given beside its plan.
pub struct CreateInputs<'a> {
    pub seccomp: Option<&'a Seccomp>,
    /// The container's notify socket, for the init to keep until `start`.
    pub notify: Option<BorrowedFd<'a>>,
    pub interrupt: Interrupt<'a>,
    /// What state.json says once the container stands, but for `process` and `defaults`.
    pub record: ContainerRecord,
}

/// Makes the container described by `plan`, up to its start gate. Operations that need descriptors get their numbers.
///
/// # Errors
/// The failing operation. The process, what went with it (`Pending`) and the cgroups are undone then; the rest is the caller's to undo,
/// by the undo list of the container's state (ARCHITECTURE.md, "Undoing a failed create").
pub fn create(init: InitProgram, lock: &Lock, plan: &mut ContainerPlan, inputs: CreateInputs<'_>) -> Result<Pending, Failure> {
    let filter = inputs.seccomp.and_then(Seccomp::filter);
    require_filter(&plan.process, filter.is_some())?;
    let opened = open_all(lock, plan, filter)?;
    let program = init_program::open(init, lock.dir_fd(), has_user_namespace(plan))?;
    if let Some(joined) = opened.join(Namespace::Cgroup) {
        cgroup_mounts::bind_if_own(plan, joined)?;
    }
    let mut cgroups = cgroup::CgroupCreation::new(std::mem::take(&mut plan.cgroup), lock);
    let made = make_process(lock, plan, opened, Start { program, cgroups: &mut cgroups, inputs });
    // The process is gone; its cgroups are still there to be asked about memory.
    made.map_err(|failure| cgroups.undo(explain_oom(failure, &cgroups)))
}

/// A failure that came of too little memory says so, whatever it was that failed in the end: in runc's words where the OOM killer took the
/// init; an exec may fail by itself before that (the kernel has E2BIG too where it gets no page for the arguments).
fn explain_oom(failure: Failure, cgroups: &cgroup::CgroupCreation<'_>) -> Failure {
    let made = &cgroups.made().leaves;
    let is_new = |path: &str| cgroups.plan.systemd.is_some() || made.iter().any(|leaf| leaf == path);
    // In a cgroup that was there before somebody else may have been killed.
    let is_meant = |path: &&str| failure.code == FailureCode::Finished || is_new(path);
    let paths = || cgroups.plan.directories.iter().map(|directory| directory.path.as_str()).chain(cgroups.plan.clone_into.as_deref());
    if let Some(text) = cgroup::describe_oom(paths().filter(is_meant)) {
        return Failure::new(FailureCode::Other, "", text);
    }
    if !matches!(failure.errno.as_deref(), Some("ENOMEM" | "E2BIG")) {
        return failure;
    }
    match cgroup::full_memory(paths().filter(is_meant)) {
        Some(amounts) => Failure { cause: format!("{} (memory limit too low?): {amounts}", failure.cause), ..failure },
        None => failure,
    }
}

/// What the process starts from.
struct Start<'a, 'b> {
    program: OpenedInit,
    cgroups: &'a mut cgroup::CgroupCreation<'b>,
    inputs: CreateInputs<'a>,
}

fn make_process(lock: &Lock, plan: &mut ContainerPlan, mut opened: Opened, start: Start<'_, '_>) -> Result<Pending, Failure> {
    let Start { program, cgroups, inputs: CreateInputs { seccomp, notify, interrupt, mut record } } = start;
    let filter = seccomp.and_then(Seccomp::filter);
    let in_user_namespace = has_user_namespace(plan);
    let unified = cgroups.unified()?;
    let mut tasks = if in_user_namespace { cgroups.tasks()? } else { Vec::new() };
    // Only now: a mount of type cgroup binds the container's own cgroups.
    let lent_mounts = lend_mounts(plan, &opened)?;
    let during = || "make the init's socket".to_owned();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(during)?;
    let lent = lent_mounts.iter().map(|lent| &lent.clone).chain([&theirs]).map(AsFd::as_fd).chain(notify);
    let inherit = inherited(plan, &opened, lent);
    let parts = CloneParts {
        program: &program.file,
        cgroup: unified.as_ref(),
        cgroup_limits_memory: cgroups.plan.memory_accounted,
        report: &theirs,
        inherit: &inherit,
    };
    let channel = Channel::new(ours);
    let reported = |failure| report(&channel, RecvFlags::DONTWAIT).ok().flatten().unwrap_or(failure);
    let Spawned { pid, pidfd, mut memory } = clone_init(plan, &opened, &parts).map_err(reported)?;
    let mut pending = Pending::new(pid, pidfd);
    pending.warnings = filter.map_or_else(Vec::new, |filter| filter.warnings.clone());
    pending.starts = matches!(plan.gate, GatePlan::Channel);
    drop(theirs);
    // While the init makes its namespaces and starts.
    if !in_user_namespace {
        tasks = cgroups.tasks()?;
    }
    pending.identity.start_time_ticks = processes::start_time(pid)?;
    let init_plan = InitPlan {
        lent_mounts: lent_mounts.iter().map(|lent| (lent.operation, lent.clone.as_raw_fd())).collect(),
        notify: notify.map(|socket| socket.as_raw_fd()),
        ..init_plan(plan, &opened, filter)?
    };
    place(plan, cgroups, &opened, Waiting { pending: &mut pending, memory: &mut memory }).map_err(reported)?;
    // A failure to send means that the child ended before it could read: it says why.
    let sent = channel.send_with(&ToInit::Plan(Box::new(init_plan)), &tasks);
    // While the init works.
    record.process = Some(pending.identity.clone());
    record.defaults = Some(Process { args: Vec::new(), ..plan.process.clone() });
    store::draft_state(lock, &record)?;
    pending.state = plan.hook_state.text(pid, "created");
    drop((program, unified, tasks));
    let mut receiver = opened.seccomp_receiver.take().map(|socket| ListenerReceiver { socket, metadata: filter.and_then(Filter::metadata) });
    let hooks = Some(RuntimeHooks { hooks: &plan.runtime_hooks, output: &opened.hook_output });
    let conversation = Conversation { channel: &channel, process: &plan.process, state: &plan.hook_state, hooks, cgroups: None, interrupt };
    converse(&conversation, &mut pending, &mut receiver).map_err(|failure| sent.err().filter(|_| failure.operation.is_empty()).unwrap_or(failure))?;
    pending.announce(opened.pidfd_receiver.as_ref(), plan.pid_file.as_ref())?;
    seccomp.map_or(Ok(()), |seccomp| seccomp.keep(lock))?;
    pending.channel = Some(channel);
    store::commit_state(lock)?;
    Ok(pending)
}

/// The binds that the init could not make itself; it inherits them.
fn lend_mounts(plan: &ContainerPlan, opened: &Opened) -> Result<Vec<LentMount>, Failure> {
    let in_user_namespace = has_user_namespace(plan);
    let mut lent = if in_user_namespace && !plan.spawn.rootless { bind_sources::open_all(&plan.operations, &plan.spawn)? } else { Vec::new() };
    let user = match opened.join(Namespace::User) {
        Some(joined) => User::Joined(joined),
        None if in_user_namespace => User::New,
        None => User::Callers,
    };
    mapped_mounts::lend(&plan.operations, user, &mut lent)?;
    Ok(lent)
}

/// The process, whose init waits for the plan.
struct Waiting<'a> {
    pending: &'a mut Pending,
    memory: &'a mut SharedMemory,
}

/// What is done for the process before its init sets the container up.
fn place(plan: &ContainerPlan, cgroups: &mut cgroup::CgroupCreation<'_>, opened: &Opened, Waiting { pending, memory }: Waiting<'_>) -> Result<(), Failure> {
    let pid = pending.identity.pid;
    if let Some(unit) = &cgroups.plan.systemd {
        memory.wait(); // until exec we share memory: if the process exceeds its unit's limit, the OOM killer would kill us too
        systemd::start(unit, pid)?;
        cgroups.complete(pid)?;
    }
    if let Some(score) = plan.spawn.oom_score_adj {
        memory.wait(); // until exec we share memory, so this would set our own score
        let path = format!("/proc/{}/oom_score_adj", pid);
        std::fs::write(&path, score.to_string()).during(|| format!("write {score} to {path:?} (/process/oomScoreAdj)"))?;
    }
    if let Some(resctrl) = &plan.resctrl {
        resctrl::assign(resctrl, pid)?;
    }
    if let Some(devices) = &plan.net_devices {
        memory.wait(); // for the network namespace
        pending.net_devices = Some(net_devices::move_all(devices, opened.network_namespace(pid)?)?);
    }
    Ok(())
}

/// What the init is told, but for what is lent to it.
fn init_plan<'a>(plan: &'a ContainerPlan, opened: &Opened, filter: Option<&Filter>) -> Result<InitPlan<'a>, Failure> {
    Ok(InitPlan {
        launch: Launch {
            process: Cow::Borrowed(&plan.process),
            in_user_namespace: has_user_namespace(plan),
            gate: opened.gate.as_ref().map_or(Gate::Channel, |fd| Gate::Socket(fd.as_raw_fd())),
            console: console(&plan.console, opened.console.as_ref()),
            seccomp: filter.map(Filter::for_init),
        },
        join: joined_by_init(opened),
        new_cgroup_namespace: plan.spawn.create.contains(&Namespace::Cgroup),
        enter_time_namespace: !plan.spawn.clock_offsets.is_empty(),
        expected_maps: (!plan.spawn.create.contains(&Namespace::User) && !plan.spawn.uid_mappings.is_empty())
            .then(|| (plan.spawn.uid_mappings.clone(), plan.spawn.gid_mappings.clone())),
        operations: Cow::Borrowed(&plan.operations),
        start_container_hooks: Cow::Borrowed(&plan.start_container_hooks),
        lent_mounts: Vec::new(),
        hook_output: opened.hook_output.numbers(),
        notify: None,
    })
}

/// Who gets the terminal's master, as the process is told. `socket`: of `ConsolePlan::Socket`, connected.
pub fn console(plan: &ConsolePlan, socket: Option<&OwnedFd>) -> Console {
    match (plan, socket) {
        (ConsolePlan::Socket { .. }, Some(fd)) => Console::Socket(fd.as_raw_fd()),
        (ConsolePlan::Keep, _) => Console::Channel,
        _ => Console::None,
    }
}

/// Numbers of stdin, stdout and stderr that a process inherits. Node.js sets close-on-exec on all that it was given (libuv's
/// uv_disable_stdio_inheritance).
pub fn stdio() -> impl Iterator<Item = i32> {
    (0..3).filter(|number| tsrunc_sys::process::is_open(*number).is_ok())
}

/// Numbers of the descriptors that the init keeps.
fn inherited<'a>(plan: &ContainerPlan, opened: &'a Opened, lent: impl Iterator<Item = BorrowedFd<'a>>) -> Vec<i32> {
    let mut inherit: Vec<i32> = stdio().collect();
    inherit.extend(lent.map(|fd| fd.as_raw_fd()));
    inherit.extend(opened.gate.iter().chain(&opened.console).map(AsRawFd::as_raw_fd));
    inherit.extend(joined_by_init(opened).iter().map(|(_, number)| number));
    inherit.extend(opened.hook_output.numbers().iter().flatten());
    inherit.extend(preserved::numbers(plan.process.preserve_fds));
    inherit
}

/// The namespaces that the init joins itself; the spawn joins the others.
fn joined_by_init(opened: &Opened) -> Vec<(Namespace, i32)> {
    opened.joins.iter().filter(|join| join.when == When::InInit).map(|join| (join.namespace, join.fd.as_raw_fd())).collect()
}
