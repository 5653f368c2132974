//! Creates a container: its cgroups, its process, and the conversation with its init up to the start gate. Runs in the runtime's process.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{socketpair, AddressFamily, RecvFlags, SocketFlags, SocketType};
use tsrunc_common::protocol::{require_filter, Channel, Console, Gate, InitPlan, Launch, ToInit};
use tsrunc_plan::container::{ConsolePlan, ContainerPlan, GatePlan, Namespace, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::record::ContainerRecord;
use tsrunc_sys::errno::During;
use tsrunc_sys::spawn::{SharedMemory, Spawned};

use crate::bind_sources::DetachedMount;
use crate::clone::{clone_init, CloneParts};
use crate::conversation::{converse, report, Conversation, ListenerReceiver, RuntimeHooks};
use crate::init_program::{self, InitProgram, OpenedInit};
use crate::interrupts::Interrupt;
use crate::joins::{has_user_namespace, When};
use crate::mapped_mounts::User;
use crate::net_devices;
use crate::opened::{open_all, Opened};
use crate::pending::Pending;
use crate::seccomp::{Filter, Seccomp};
use crate::store::Lock;
use crate::{bind_sources, cgroup, cgroup_mounts, mapped_mounts, preserved, processes, resctrl, store, systemd};

/// Inputs of a create beside its plan.
pub struct CreateInputs<'a> {
    pub seccomp: Option<&'a Seccomp>,
    /// The container's notify socket, for the init to keep until `start`.
    pub notify: Option<BorrowedFd<'a>>,
    pub interrupt: Interrupt<'a>,
    /// The record to save once the container is `created`, without `process` and `defaults`.
    pub record: ContainerRecord,
}

/// Makes the container described by `plan`, up to its start gate.
///
/// # Errors
/// The operation that failed. The process, what belongs to it (`Pending`) and the cgroups are undone; the caller undoes the rest by the undo
/// list of the container's state (ARCHITECTURE.md, "Undoing a failed create").
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
    // The process is gone, but its cgroups still show whether memory ran out.
    made.map_err(|failure| cgroups.undo(explain_oom(failure, &cgroups)))
}

/// Explains a failure that was caused by a memory limit: with runc's text if the OOM killer killed the init. An exec may also fail on its own
/// (with ENOMEM, or with E2BIG if the kernel gets no page for the arguments).
fn explain_oom(failure: Failure, cgroups: &cgroup::CgroupCreation<'_>) -> Failure {
    let made = &cgroups.made().leaves;
    let is_new = |path: &str| cgroups.plan.systemd.is_some() || made.iter().any(|leaf| leaf == path);
    // In a cgroup that existed before, the OOM killer may have killed a process of somebody else.
    let is_relevant = |path: &&str| failure.code == FailureCode::Finished || is_new(path);
    let paths = || cgroups.plan.directories.iter().map(|directory| directory.path.as_str()).chain(cgroups.plan.clone_into.as_deref());
    if let Some(text) = cgroup::describe_oom(paths().filter(is_relevant)) {
        return Failure::new(FailureCode::Other, "", text);
    }
    if !matches!(failure.errno.as_deref(), Some("ENOMEM" | "E2BIG")) {
        return failure;
    }
    match cgroup::full_memory(paths().filter(is_relevant)) {
        Some(amounts) => Failure { cause: format!("{} (memory limit too low?): {amounts}", failure.cause), ..failure },
        None => failure,
    }
}

/// What `make_process` needs beside the plan and what was opened.
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
    // After the cgroups are made, because a mount of type cgroup binds the container's own.
    let mounts = clone_mounts(plan, &opened)?;
    let during = || "make the init's socket".to_owned();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(during)?;
    let for_init = mounts.iter().map(|mount| &mount.clone).chain([&theirs]).map(AsFd::as_fd).chain(notify);
    let inherit = inherited(plan, &opened, for_init);
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
    // Meanwhile the init makes its namespaces and executes.
    if !in_user_namespace {
        tasks = cgroups.tasks()?;
    }
    pending.identity.start_time_ticks = processes::start_time(pid)?;
    let init_plan = InitPlan {
        source_clones: mounts.iter().map(|mount| (mount.operation, mount.clone.as_raw_fd())).collect(),
        notify: notify.map(|socket| socket.as_raw_fd()),
        ..init_plan(plan, &opened, filter)?
    };
    place(plan, cgroups, &opened, Waiting { pending: &mut pending, memory: &mut memory }).map_err(reported)?;
    // If this fails, the child exited before it read the plan, and has reported why: `converse` returns that.
    let sent = channel.send_with(&ToInit::Plan(Box::new(init_plan)), &tasks);
    // Meanwhile the init sets up the container.
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

/// Clones the mounts that the init cannot make itself; it inherits their descriptors.
fn clone_mounts(plan: &ContainerPlan, opened: &Opened) -> Result<Vec<DetachedMount>, Failure> {
    let in_user_namespace = has_user_namespace(plan);
    let mut mounts = if in_user_namespace && !plan.spawn.rootless { bind_sources::open_all(&plan.operations, &plan.spawn)? } else { Vec::new() };
    let user = match opened.join(Namespace::User) {
        Some(joined) => User::Joined(joined),
        None if in_user_namespace => User::New,
        None => User::Callers,
    };
    mapped_mounts::clone_mapped(&plan.operations, user, &mut mounts)?;
    Ok(mounts)
}

/// The process while it waits for the plan.
struct Waiting<'a> {
    pending: &'a mut Pending,
    memory: &'a mut SharedMemory,
}

/// Puts the process into its unit, resctrl group and so on, before its init sets up the container.
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
        memory.wait(); // after the exec the process is in its network namespace
        pending.net_devices = Some(net_devices::move_all(devices, opened.network_namespace(pid)?)?);
    }
    Ok(())
}

/// The init's part of the plan, without `source_clones` and `notify`.
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
        source_clones: Vec::new(),
        hook_output: opened.hook_output.numbers(),
        notify: None,
    })
}

/// Where the init sends the terminal's master. `socket`: the connected socket of `ConsolePlan::Socket`.
pub fn console(plan: &ConsolePlan, socket: Option<&OwnedFd>) -> Console {
    match (plan, socket) {
        (ConsolePlan::Socket { .. }, Some(fd)) => Console::Socket(fd.as_raw_fd()),
        (ConsolePlan::Keep, _) => Console::Channel,
        _ => Console::None,
    }
}

/// The open ones of stdin, stdout and stderr. They have to be passed on explicitly, because Node.js sets close-on-exec on them (libuv's
/// uv_disable_stdio_inheritance).
pub fn stdio() -> impl Iterator<Item = i32> {
    (0..3).filter(|number| tsrunc_sys::process::is_open(*number).is_ok())
}

/// Numbers of the descriptors that the init inherits.
fn inherited<'a>(plan: &ContainerPlan, opened: &'a Opened, for_init: impl Iterator<Item = BorrowedFd<'a>>) -> Vec<i32> {
    let mut inherit: Vec<i32> = stdio().collect();
    inherit.extend(for_init.map(|fd| fd.as_raw_fd()));
    inherit.extend(opened.gate.iter().chain(&opened.console).map(AsRawFd::as_raw_fd));
    inherit.extend(joined_by_init(opened).iter().map(|(_, number)| number));
    inherit.extend(opened.hook_output.numbers().iter().flatten());
    inherit.extend(preserved::numbers(plan.process.preserve_fds));
    inherit
}

/// The namespaces that the init joins; the spawn joins the others.
fn joined_by_init(opened: &Opened) -> Vec<(Namespace, i32)> {
    opened.joins.iter().filter(|join| join.when == When::InInit).map(|join| (join.namespace, join.fd.as_raw_fd())).collect()
}
