//! The creator's side of the conversation with a container's init (init/src/protocol.rs), up to the start gate.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tsrunc_common::descriptors::{self, NAME};
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
use crate::seccomp::{hand_over, process_state};

/// Who gets the listener of the process's filter.
pub struct ListenerReceiver<'a> {
    pub socket: OwnedFd,
    pub metadata: Option<&'a str>,
}

/// The hooks that run in the runtime's namespaces before the container's root changes.
pub struct RuntimeHooks<'a> {
    pub hooks: &'a [Hook],
    pub output: &'a Output,
}

/// What the process at the other end may ask for.
pub struct Conversation<'a> {
    pub channel: &'a Channel,
    pub process: &'a Process,
    /// The container's.
    pub state: &'a HookState,
    /// None for a process that is brought in.
    pub hooks: Option<RuntimeHooks<'a>>,
    /// Those of the container that a process is brought into.
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
            // The process may die after it has made its child and before it has told its pid: the child keeps the conversation open.
            None => wait_for_process(channel, &pending.pidfd, *interrupt)?,
        }
        match next_message(channel)? {
            FromInit::Ready => return Ok(()),
            FromInit::Failed(failure) => return Err(failure),
            FromInit::Executing | FromInit::Notify => return Err(Failure::new(FailureCode::Other, "wait for the init", "it answered out of turn")),
            FromInit::Crowded(failure) => {
                let Some(CgroupJoin { join_tasks, clone_into, may_start_outside: true, .. }) = cgroups else { return Err(failure) };
                let directories: Vec<String> = join_tasks.iter().chain(clone_into).cloned().collect();
                left_cgroups = pids_limit::move_out(pending.identity.pid, &directories, clone_into.as_deref()).ok_or(failure)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Forked(pid) => {
                pending.go_on_as(pid)?;
                pids_limit::move_in(pid, &left_cgroups)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Terminal => pending.master = Some(receive_descriptor(channel, "the terminal")?),
            FromInit::Listener(number) => {
                let during = || "take the seccomp listener from the init".to_owned();
                let ListenerReceiver { socket, metadata } = receiver.take().ok_or_else(|| Failure::new(FailureCode::Other, during(), "nobody waits for it"))?;
                let listener = tsrunc_sys::seccomp::take_descriptor(&pending.pidfd, number).during(during)?;
                // A container whose own process this is stands not yet.
                let container = match hooks {
                    Some(_) => state.text(pending.identity.pid, "creating"),
                    None => state.text(state.pid, &state.status),
                };
                hand_over(socket, &listener, &process_state(pending.identity.pid, &container, metadata)?)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Limits => {
                // In a user namespace the init could not raise any (prlimit(2), CAP_SYS_RESOURCE).
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

/// The init's next message, or what stopped it before its exec.
pub fn next_message(channel: &Channel) -> Result<FromInit, Failure> {
    if let Some(failure) = report(channel, RecvFlags::WAITALL)? {
        return Err(failure);
    }
    channel.receive()?.ok_or_else(|| Failure::new(FailureCode::Finished, "wait for the init", "it was killed (out of memory, or a signal from outside)"))
}

/// What stopped the init before its exec, if that has happened: then it reported step and errno in eight bytes.
pub fn report(channel: &Channel, flags: RecvFlags) -> Result<Option<Failure>, Failure> {
    let mut head = [0u8; 8];
    let count = match rustix::net::recv(channel.socket(), &mut head, RecvFlags::PEEK | flags) {
        Err(Errno::AGAIN | Errno::CONNRESET) => 0, // the latter: it has ended with a message unread
        result => result.during(|| "wait for the init".into())?.0,
    };
    let number = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    // A message begins with its length, a report with a step, which is negative.
    let Some(step) = Step::from_number(number(0)).filter(|_| count == 8) else { return Ok(None) };
    let operation = match step {
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

/// The descriptor that follows a message of the init.
pub fn receive_descriptor(channel: &Channel, what: &str) -> Result<OwnedFd, Failure> {
    let during = || format!("receive {what}");
    let mut name = [0; NAME.len()]; // no longer: the next message follows it
    let (_, fds) = descriptors::receive(channel.socket(), &mut name).during(during)?;
    fds.into_iter().next().ok_or_else(|| Failure::new(FailureCode::Other, during(), "no descriptor came"))
}
