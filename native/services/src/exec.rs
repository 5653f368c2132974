//! Runs a process in an existing container: the creator's side. The process's own side is native/init/src/exec.rs.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use tsrunc_common::protocol::{require_filter, Channel, ExecStart, Gate, Launch, ToInit};
use tsrunc_common::wait;
use tsrunc_plan::container::{ConsolePlan, ExecPlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_sys::errno::During;
use tsrunc_sys::spawn::{spawn, Spawn, Spawned};

use crate::clone::init_arguments;
use crate::conversation::{converse, Conversation, ListenerReceiver};
use crate::create::{console, stdio};
use crate::init_program::{self, InitProgram};
use crate::interrupts::Interrupt;
use crate::pending::Pending;
use crate::seccomp::{self, Filter};
use crate::{cgroup, gate, preserved, processes, shared_namespaces, state_root};

/// Makes a process in the container `id` of the state root `root`, up to its release.
///
/// # Errors
/// `Finished` if the container's first process has exited; the operation that failed. The process is killed then.
pub fn exec(init: InitProgram, (root, id): (&str, &str), plan: &ExecPlan, interrupt: Interrupt<'_>) -> Result<Pending, Failure> {
    let directory = state_root::open_trusted(root, id)?;
    let filter = plan.process.seccomp.then(|| seccomp::of_container(directory.as_fd())).transpose()?;
    require_filter(&plan.process, filter.is_some())?;
    let opened = open_all(plan, filter.as_ref())?;
    let program = init_program::open(init, directory.as_fd(), opened.namespaces.contains(&Namespace::User))?;
    let during = || "make the socket of the process".to_owned();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(during)?;
    let args = init_arguments(&theirs)?;
    let inherit: Vec<i32> =
        stdio().chain([theirs.as_raw_fd()]).chain(opened.console.iter().map(AsRawFd::as_raw_fd)).chain(preserved::numbers(plan.process.preserve_fds)).collect();
    let request = Spawn {
        // Until exec the process shares our memory, and the container may be at its memory limit.
        cgroup_limits_memory: true,
        cgroup_may_be_frozen: plan.may_be_frozen,
        ..Spawn::plain(program.file.as_fd(), &args, &inherit, theirs.as_fd())
    };
    let Spawned { pid, pidfd, mut memory } = clone_into(&request, plan, &opened)?;
    memory.wait();
    let mut pending = Pending::new(pid, pidfd);
    pending.starts = true;
    drop(theirs);
    pending.identity.start_time_ticks = processes::start_time(pid)?;
    let channel = Channel::new(ours);
    let sent = channel.send_with(&ToInit::Exec(Box::new(first_message(plan, &opened, filter.as_ref()))), &opened.sent);
    drop(program);
    let mut receiver = opened.listener.map(|socket| ListenerReceiver { socket, metadata: filter.as_ref().and_then(Filter::metadata) });
    let conversation = Conversation { channel: &channel, process: &plan.process, state: &plan.state, hooks: None, cgroups: Some(&plan.cgroup), interrupt };
    converse(&conversation, &mut pending, &mut receiver).map_err(|failure| sent.err().filter(|_| failure.operation.is_empty()).unwrap_or(failure))?;
    pending.announce(opened.pidfd_receiver.as_ref(), plan.pid_file.as_ref())?;
    pending.channel = Some(channel);
    Ok(pending)
}

/// Descriptors that are opened on the host for the process.
struct Opened {
    /// Sent to the process with its first message, in this order: a pidfd of the container's init, the init's root if `chroot` is set, and the
    /// cgroup files to write "0" to.
    sent: Vec<OwnedFd>,
    /// The last of `sent` is a fallback for the one before (`ExecStart`).
    fallback_cgroup: bool,
    /// The namespaces that the process joins.
    namespaces: Vec<Namespace>,
    unified: Option<OwnedFd>,
    console: Option<OwnedFd>,
    pidfd_receiver: Option<OwnedFd>,
    listener: Option<OwnedFd>,
}

fn open_all(plan: &ExecPlan, filter: Option<&Filter>) -> Result<Opened, Failure> {
    let init = processes::open(&plan.init)?.ok_or_else(|| ended(&plan.init))?;
    // With an initial affinity, which applies before the process is in its cgroups, it has to join all of them itself.
    let joins_itself = plan.affinity.as_ref().is_some_and(|affinity| affinity.initial.is_some());
    let root = plan.chroot.then(|| open_root(&plan.init)).transpose()?;
    let mut files = Vec::new();
    for directory in &plan.cgroup.join_tasks {
        files.push(open_to_join(&format!("{directory}/tasks"))?);
    }
    let (mut unified, mut fallback_cgroup) = (None, false);
    let namespaces = shared_namespaces::to_join(plan.init.pid, &plan.namespaces)?;
    if let Some(path) = &plan.cgroup.clone_into {
        match joins_itself {
            true => {
                files.push(open_to_join(&format!("{path}/cgroup.procs"))?);
                if let Some(inner) = where_init_is(plan)?.filter(|inner| inner != path) {
                    files.push(open_to_join(&format!("{inner}/cgroup.procs"))?);
                    fallback_cgroup = true;
                }
            }
            false => unified = Some(open_cgroup(path)?),
        }
    }
    // The paths and pids above stay the container's while its first process lives. As it is still alive, everything opened is the container's.
    if has_ended(&init)? {
        return Err(ended(&plan.init));
    }
    let listener = filter.and_then(|filter| filter.listener.as_ref());
    Ok(Opened {
        sent: std::iter::once(init).chain(root).chain(files).collect(),
        fallback_cgroup,
        namespaces,
        unified,
        console: match &plan.console {
            ConsolePlan::Socket { path } => Some(gate::connect_to(path, "connect to console socket")?),
            ConsolePlan::None | ConsolePlan::Keep => None,
        },
        pidfd_receiver: plan.pidfd_socket.as_ref().map(|path| gate::connect_to(path, "connect to pidfd socket")).transpose()?,
        listener: listener.map(|listener| gate::connect_to(&listener.path, "failed to connect with seccomp agent")).transpose()?,
    })
}

pub fn ended(init: &ProcessIdentity) -> Failure {
    Failure::new(FailureCode::Finished, format!("find the container's first process {}", init.pid), "it has ended")
}

/// Whether a process has exited: its pidfd is readable then (pidfd_open(2)).
pub fn has_ended(pidfd: &OwnedFd) -> Result<bool, Failure> {
    wait::any(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(Instant::now())).during(|| "look at the container's first process".into())
}

pub fn open_root(init: &ProcessIdentity) -> Result<OwnedFd, Failure> {
    let path = format!("/proc/{}/root", init.pid);
    rustix::fs::open(path.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(|| format!("open {path:?}"))
}

fn open_to_join(path: &str) -> Result<OwnedFd, Failure> {
    rustix::fs::open(path, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .during(|| format!("error adding pid to cgroup: open {path:?}"))
        .map_err(cgroup::explain_denial)
}

fn open_cgroup(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during(|| format!("error adding pid to cgroup: open {path:?}"))
}

/// Clones the process into the container's v2 cgroup. If the container has made child cgroups and enabled controllers for them, its cgroup takes no
/// processes any more ("no internal processes" in cgroups(7)); then clones into the cgroup of the container's first process.
fn clone_into(request: &Spawn<'_>, plan: &ExecPlan, opened: &Opened) -> Result<Spawned, Failure> {
    let during = || "clone the process".to_owned();
    let Some(unified) = &opened.unified else { return spawn(request).during(during) };
    match spawn(&Spawn { cgroup: Some(unified.as_fd()), ..*request }) {
        Err(errno @ (Errno::BUSY | Errno::OPNOTSUPP)) => match where_init_is(plan)? {
            Some(path) => spawn(&Spawn { cgroup: Some(open_cgroup(&path)?.as_fd()), ..*request }).during(during),
            None => Err(errno).during(during),
        },
        result => result.during(during).map_err(cgroup::explain_denial),
    }
}

/// The v2 cgroup of the container's first process, if the plan allows to use it in place of the container's own.
fn where_init_is(plan: &ExecPlan) -> Result<Option<String>, Failure> {
    match &plan.cgroup.clone_into {
        Some(own) if plan.cgroup.fall_back_to_init_cgroup => cgroup::unified_cgroup_of(plan.init.pid, own),
        _ => Ok(None),
    }
}

fn first_message<'a>(plan: &'a ExecPlan, opened: &Opened, filter: Option<&Filter>) -> ExecStart<'a> {
    ExecStart {
        launch: Launch {
            process: Cow::Borrowed(&plan.process),
            in_user_namespace: opened.namespaces.contains(&Namespace::User),
            gate: Gate::Channel,
            console: console(&plan.console, opened.console.as_ref()),
            seccomp: filter.map(Filter::for_init),
        },
        namespaces: Cow::Owned(opened.namespaces.clone()),
        chroot: plan.chroot,
        fallback_cgroup: opened.fallback_cgroup,
        terminal_size: plan.terminal_size,
        oom_score_adj: plan.oom_score_adj,
        affinity: Cow::Borrowed(&plan.affinity),
    }
}
