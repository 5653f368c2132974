//! The creator's side of the conversation with a container's init (common/src/protocol.rs), up to the start gate.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{pidfd_getfd, PidfdGetfdFlags};
use tsrunc_common::hooks::{run_runtime_hooks, Output};
use tsrunc_common::limits::set_limits;
use tsrunc_common::protocol::{Channel, FromInit, ToInit};
use tsrunc_plan::container::{CgroupJoin, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{Hook, HookState};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::spawn::Step;

use crate::cgroup::pids_limit;
use crate::interrupts::{wait_for, wait_for_process, Interrupt};
use crate::pending::Pending;
use crate::schedule::schedule;
use crate::seccomp::{process_state, send_listener};

/// The agent's socket, which gets the listener of the process's seccomp filter.
pub struct ListenerReceiver<'a> {
    pub socket: OwnedFd,
    pub metadata: Option<&'a str>,
}

/// The hooks that run in the runtime's namespaces before pivot_root.
pub struct RuntimeHooks<'a> {
    pub hooks: &'a [Hook],
    pub output: &'a Output,
}

/// What is needed to answer the process at the other end.
pub struct Conversation<'a> {
    pub channel: &'a Channel,
    pub process: &'a Process,
    /// The container's state.
    pub state: &'a HookState,
    /// None for a process of `exec`.
    pub hooks: Option<RuntimeHooks<'a>>,
    /// For a process of `exec`: the container's cgroups.
    pub cgroups: Option<&'a CgroupJoin>,
    pub interrupt: Interrupt<'a>,
}

/// Answers the process until it is ready.
pub fn converse(conversation: &Conversation<'_>, pending: &mut Pending, receiver: &mut Option<ListenerReceiver<'_>>) -> Result<(), Failure> {
    let Conversation { channel, process, state, hooks, cgroups, interrupt } = conversation;
    let mut left_cgroups = Vec::new();
    loop {
        match hooks {
            Some(_) => wait_for(channel, *interrupt, "the init")?,
            // The process may die after it has forked its child but before it has reported the pid. There is no EOF then, as the child has the
            // socket too.
            None => wait_for_process(channel, &pending.pidfd, *interrupt)?,
        }
        match next_message(channel)? {
            FromInit::Ready => return Ok(()),
            FromInit::Failed(failure) => return Err(failure),
            FromInit::Executing | FromInit::Notify => return Err(Failure::new(FailureCode::Other, "wait for the init", "it answered out of turn")),
            FromInit::PidsLimit(failure) => {
                let Some(CgroupJoin { join_tasks, clone_into, may_start_outside: true, .. }) = cgroups else { return Err(failure) };
                let directories: Vec<String> = join_tasks.iter().chain(clone_into).cloned().collect();
                left_cgroups = pids_limit::move_out(pending.identity.pid, &directories, clone_into.as_deref()).ok_or(failure)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Forked(pid) => {
                pending.replace_process(pid)?;
                pids_limit::move_in(pid, &left_cgroups)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Terminal => pending.master = Some(channel.receive_descriptor("the terminal")?),
            FromInit::Listener(number) => {
                let during = || "take the seccomp listener from the init".to_owned();
                let ListenerReceiver { socket, metadata } =
                    receiver.take().ok_or_else(|| Failure::new(FailureCode::Other, during(), "the plan has no agent for it"))?;
                let listener = pidfd_getfd(&pending.pidfd, number, PidfdGetfdFlags::empty()).during(during)?;
                // If this is the container's own first process, the container is not `created` yet.
                let container = match hooks {
                    Some(_) => state.text(pending.identity.pid, "creating"),
                    None => state.text(state.pid, &state.status),
                };
                send_listener(socket, &listener, &process_state(pending.identity.pid, &container, metadata)?)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Limits => {
                // In a user namespace the init cannot raise limits itself (prlimit(2), CAP_SYS_RESOURCE).
                set_limits(pending.identity.pid, process)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Schedule => {
                schedule(pending.identity.pid, &process.operations)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Hooks => {
                let state = state.text(pending.identity.pid, "creating");
                let Some(RuntimeHooks { hooks, output }) = hooks else { return Err(Failure::new(FailureCode::Other, "run hooks", "there are none")) };
                run_runtime_hooks(hooks, &state, output, *interrupt)?;
                channel.send(&ToInit::Continue { state })?;
            }
        }
    }
}

/// The init's next message. Fails if the process failed before it executed the init.
pub fn next_message(channel: &Channel) -> Result<FromInit, Failure> {
    if let Some(failure) = report(channel, RecvFlags::WAITALL)? {
        return Err(failure);
    }
    channel.receive()?.ok_or_else(|| Failure::new(FailureCode::Finished, "wait for the init", "it was killed (out of memory, or a signal from outside)"))
}

/// The failure of the cloned process before it executed the init, if there was one: it sends the step and errno in eight bytes.
pub fn report(channel: &Channel, flags: RecvFlags) -> Result<Option<Failure>, Failure> {
    let mut head = [0u8; 8];
    let count = match rustix::net::recv(channel.socket(), &mut head, RecvFlags::PEEK | flags) {
        Err(Errno::AGAIN | Errno::CONNRESET) => 0, // ECONNRESET: it exited without reading our message
        result => result.during(|| "wait for the init".into())?.0,
    };
    let number = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    // A message starts with its length, this report with a step, which is negative.
    let Some(step) = Step::from_number(number(0)).filter(|_| count == 8) else { return Ok(None) };
    let operation = match step {
        Step::BecomeUndumpable => "become undumpable",
        Step::JoinUser => "join user namespace",
        Step::JoinMount => "join mount namespace",
        Step::JoinPid => "join pid namespace",
        Step::JoinNetwork => "join network namespace",
        Step::JoinIpc => "join ipc namespace",
        Step::JoinUts => "join uts namespace",
        Step::JoinCgroup => "join cgroup namespace",
        Step::JoinTime => "join time namespace",
        Step::Clone => "clone the container's process in the namespaces that it joins",
        Step::Wait => "wait for the id maps",
        Step::UnshareTime => "make the time namespace",
        Step::SetClocks => "write \"/proc/self/timens_offsets\" (/linux/timeOffsets)",
        Step::BecomeRoot => "become root of the user namespace",
        Step::Unshare => "make the container's namespaces",
        Step::Inherit => "pass descriptors to the init",
        Step::Execute => "execute the init",
    };
    Ok(Some(os_failure(operation.into(), Errno::from_raw_os_error(number(4)))))
}
