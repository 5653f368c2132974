//! A process of `exec`: from the first message, outside of the container, to its program.
//!
//! It runs the sealed init, undumpable (CVE-2016-9962) and without the caller's descriptors (CVE-2024-21626). It appears in the container's pid
//! namespace only at the end: setns(2) to a pid namespace affects children only, and this process forks once it has become the container's user. A
//! process in the container that may trace it gains nothing that the container does not have. The child is the creator's child too (CLONE_PARENT).

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::termios::Winsize;
use tsrunc_common::hooks::Output;
use tsrunc_common::protocol::{require_filter, unexpected, Channel, ExecStart, FromInit};
use tsrunc_plan::container::{ExecAffinity, Namespace};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::operation::Operation;
use tsrunc_sys::errno::During;
use tsrunc_sys::process as sys;
use tsrunc_sys::schedule::set_cpu_affinity;

use crate::creator::ChannelCreator;
use crate::devices::{open_terminal, Terminal};
use crate::exec_namespaces::{continue_in_child, enter};
use crate::kernel_files::KernelFiles;
use crate::launch::{
    await_release, become_program, begin_session, execute, join_cgroups, join_session_keyring, launch_descriptors, reset_cpu_affinity, send_terminal, Never,
};
use crate::process::{control_terminal, set_dumpable};
use crate::root::Root;
use crate::setup::Setup;

/// `received`: the descriptors of the message, in the order of protocol.rs.
pub fn exec(channel: &Channel, start: &ExecStart<'_>, received: Vec<OwnedFd>) -> Result<Never, Failure> {
    let launch = &start.launch;
    start.oom_score_adj.map_or(Ok(()), set_oom_score)?;
    let mut received = received.into_iter();
    let missing = || unexpected("a descriptor");
    let init = received.next().ok_or_else(missing)?;
    let root = if start.chroot { Some(received.next().ok_or_else(missing)?) } else { None };
    join_cgroups_with_affinity(received.collect(), start)?;
    let mut open = vec![channel.socket().as_raw_fd(), init.as_raw_fd()];
    open.extend(root.iter().map(AsRawFd::as_raw_fd));
    open.extend(launch_descriptors(launch));
    sys::close_all_but(&open).during(|| "close the caller's descriptors".into())?;
    require_filter(&launch.process, launch.seccomp.is_some())?;
    // Still outside of the container, so this procfs is the host's.
    let mut kernel = KernelFiles::of_caller()?;
    enter(&start.namespaces, init, root)?;
    join_session_keyring(&launch.process, &mut kernel)?;
    let terminal = set_up(channel, start, kernel)?;
    let has_terminal = terminal.is_some();
    let program = become_program(channel, launch, terminal)?;
    if start.namespaces.contains(&Namespace::Pid) {
        continue_in_child(channel)?;
    }
    begin_session()?;
    if has_terminal {
        control_terminal()?;
    }
    if launch.process.operations.iter().any(is_schedule) {
        channel.ask(&FromInit::Schedule)?;
    }
    await_release(channel, launch)?;
    execute(channel, launch, &program)
}

/// The creator executes it, for the child.
fn is_schedule(operation: &Operation) -> bool {
    matches!(operation, Operation::Schedule { .. })
}

/// Comes first, while this process still has the caller's privilege. An undumpable process does not own its files in /proc, so it is dumpable
/// meanwhile.
fn set_oom_score(score: i32) -> Result<(), Failure> {
    let during = || format!("write {score} to \"/proc/self/oom_score_adj\" (/process/oomScoreAdj)");
    set_dumpable(true).during(during)?;
    let written = std::fs::write("/proc/self/oom_score_adj", score.to_string()).during(during);
    set_dumpable(false).during(|| "become undumpable".into())?;
    written
}

/// execCPUAffinity's `initial` applies before the process joins the cgroups, whose cpuset may differ, and `final` afterwards.
fn join_cgroups_with_affinity(mut tasks: Vec<OwnedFd>, start: &ExecStart<'_>) -> Result<(), Failure> {
    let affinity: Option<&ExecAffinity> = start.affinity.as_ref().as_ref();
    let set = |cpus: Option<&Vec<u32>>, name: &str| {
        cpus.map_or(Ok(()), |cpus| set_cpu_affinity(cpus).during(|| format!("set the CPU affinity to {cpus:?} (/process/execCPUAffinity/{name})")))
    };
    set(affinity.and_then(|affinity| affinity.initial.as_ref()), "initial")?;
    let fallback = if start.fallback_cgroup { tasks.pop() } else { None };
    match (join_cgroups(tasks), fallback) {
        // The cgroup enables controllers for its children ("no internal processes" rule, cgroups(7)).
        (Err(failure), Some(fallback)) if matches!(failure.errno.as_deref(), Some("EBUSY" | "EOPNOTSUPP")) => join_cgroups(vec![fallback])?,
        (result, _) => result?,
    }
    match affinity {
        None => reset_cpu_affinity(),
        Some(affinity) => set(affinity.last.as_ref(), "final"),
    }
}

/// Opens the terminal and executes the process's operations, before it becomes the container's user. `kernel`: the caller's procfs, closed
/// afterwards.
fn set_up(channel: &Channel, start: &ExecStart<'_>, kernel: KernelFiles) -> Result<Option<Terminal>, Failure> {
    let launch = &start.launch;
    let operations = || launch.process.operations.iter().enumerate().filter(|(_, operation)| !is_schedule(operation));
    if start.terminal_size.is_none() && operations().next().is_none() {
        return Ok(None);
    }
    let root = Root::of_process()?;
    let mut terminal = None;
    if let Some([height, width]) = start.terminal_size {
        let opened = open_terminal(&root, Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 })?;
        send_terminal(channel, &launch.console, &opened.master)?;
        terminal = Some(opened);
    }
    let (none, no_output) = (Default::default(), Output::default());
    let mut setup = Setup::new(&none, &launch.process, &no_output);
    setup.enter(root, kernel);
    let mut creator = ChannelCreator { channel, console: &launch.console };
    for (index, operation) in operations() {
        setup.run(index, operation, &mut creator)?;
    }
    Ok(terminal)
}
