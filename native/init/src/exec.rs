//! A process that is brought into a container (`exec`): from the first message, outside, to its program.
//!
//! It executes the sealed init, undumpable (CVE-2016-9962) and without the caller's descriptors (CVE-2024-21626). All that takes privilege is done out of
//! the container's sight: a pid namespace takes children only, and the child is made last, when this process has become the container's user. So whoever
//! may trace in there finds a process with what its own container gives, and no more. The child is a copy of this process and the creator's child.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::termios::Winsize;
use tsrunc_common::hooks::Output;
use tsrunc_common::protocol::{require_filter, unexpected, Channel, ExecStart, FromInit, ToInit};
use tsrunc_plan::container::{ExecAffinity, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::Operation;
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::join_all_of;
use tsrunc_sys::process as sys;
use tsrunc_sys::schedule::set_cpu_affinity;
use tsrunc_sys::spawn::fork_sibling;

use crate::devices::{open_terminal, Terminal};
use crate::gate::{Never, OverChannel};
use crate::kernel_files::KernelFiles;
use crate::launch::{
    await_release, become_program, begin_session, execute, hand_over_terminal, join_cgroups, join_session_keyring, launch_descriptors, reset_cpu_affinity,
};
use crate::process::control_terminal;
use crate::root::Root;
use crate::setup::Setup;

/// `received`: what came with the message, in the order that protocol.rs gives.
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
    // Out here the caller's procfs is the true one.
    let mut kernel = KernelFiles::of_caller()?;
    enter(&start.namespaces, init, root)?;
    join_session_keyring(&launch.process, &mut kernel)?;
    let terminal = set_up(channel, start, kernel)?;
    let has_terminal = terminal.is_some();
    let program = become_program(channel, launch, terminal)?;
    if start.namespaces.contains(&Namespace::Pid) {
        go_on_in_child(channel)?;
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

/// The creator carries it out, for the process that goes on.
fn is_schedule(operation: &Operation) -> bool {
    matches!(operation, Operation::Schedule { .. })
}

/// Before anything else: this process may set its own score only while its files in /proc are its own.
fn set_oom_score(score: i32) -> Result<(), Failure> {
    let during = || format!("write {score} to \"/proc/self/oom_score_adj\" (/process/oomScoreAdj)");
    sys::set_dumpable(true).during(during)?;
    let written = std::fs::write("/proc/self/oom_score_adj", score.to_string()).during(during);
    sys::set_dumpable(false).during(|| "become undumpable".into())?;
    written
}

/// execCPUAffinity has CPUs for the time before the cgroups are joined, whose cpuset may allow others, and for the time after it.
fn join_cgroups_with_affinity(mut tasks: Vec<OwnedFd>, start: &ExecStart<'_>) -> Result<(), Failure> {
    let affinity: Option<&ExecAffinity> = start.affinity.as_ref().as_ref();
    let set = |cpus: Option<&Vec<u32>>, name: &str| {
        cpus.map_or(Ok(()), |cpus| set_cpu_affinity(cpus).during(|| format!("set the CPU affinity to {cpus:?} (/process/execCPUAffinity/{name})")))
    };
    set(affinity.and_then(|affinity| affinity.initial.as_ref()), "initial")?;
    let spare = if start.spare_cgroup { tasks.pop() } else { None };
    match (join_cgroups(tasks), spare) {
        // The last one has controllers enabled for cgroups below it ("no internal processes", cgroups(7)).
        (Err(failure), Some(spare)) if matches!(failure.errno.as_deref(), Some("EBUSY" | "EOPNOTSUPP")) => join_cgroups(vec![spare])?,
        (result, _) => result?,
    }
    match affinity {
        None => reset_cpu_affinity(),
        Some(affinity) => set(affinity.last.as_ref(), "final"),
    }
}

/// Joins the namespaces of the container's first process, all in one step, and its root where that is not the root of a mount namespace.
pub fn enter(namespaces: &[Namespace], init: OwnedFd, root: Option<OwnedFd>) -> Result<(), Failure> {
    if !namespaces.is_empty() {
        match join_all_of(init.as_fd(), namespaces) {
            Err(rustix::io::Errno::SRCH) => return Err(Failure::new(FailureCode::Finished, "join the container's namespaces", "its first process has ended")),
            result => result.during(|| "join the container's namespaces".into())?,
        }
    }
    if namespaces.contains(&Namespace::User) {
        sys::set_gid(0).during(|| "become root of the user namespace".into())?;
        sys::set_uid(0).during(|| "become root of the user namespace".into())?;
    }
    // Both may have made it dumpable again (fs.suid_dumpable in proc_sys_fs(5)).
    sys::set_dumpable(false).during(|| "become undumpable".into())?;
    if let Some(root) = root {
        let during = || "enter the container's root".to_owned();
        rustix::process::fchdir(&root).during(during)?;
        rustix::process::chroot(".").during(during)?;
    }
    rustix::process::chdir("/").during(|| "enter \"/\"".into())
}

/// Makes the process that goes on in the pid namespace; this one ends.
pub fn go_on_in_child(channel: &Channel) -> Result<(), Failure> {
    let forked = match make_child() {
        Err(failure) if failure.errno.as_deref() == Some("EAGAIN") => {
            channel.ask(&FromInit::Crowded(failure))?;
            make_child()?
        }
        result => result?,
    };
    if let Some(pid) = forked {
        channel.send(&FromInit::Forked(pid))?;
        std::process::exit(0);
    }
    match channel.receive()? {
        Some(ToInit::Continue { .. }) => Ok(()),
        _ => Err(unexpected("to go on")),
    }
}

fn make_child() -> Result<Option<i32>, Failure> {
    let during = || "make a process in the container".to_owned();
    fork_sibling().during(during).map_err(|failure: Failure| match failure.errno.as_deref() {
        Some("ENOMEM") => Failure { cause: format!("{}; its first process may have ended", failure.cause), ..failure },
        _ => failure,
    })
}

/// What is done before the process becomes the container's user: a terminal, the operations of the process. `kernel`: the procfs of the caller,
/// which is not kept.
fn set_up(channel: &Channel, start: &ExecStart<'_>, kernel: KernelFiles) -> Result<Option<Terminal>, Failure> {
    let launch = &start.launch;
    let own = || launch.process.operations.iter().enumerate().filter(|(_, operation)| !is_schedule(operation));
    if start.terminal_size.is_none() && own().next().is_none() {
        return Ok(None);
    }
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(|| "open \"/\"".into())?;
    let root = Root::new(root);
    let mut terminal = None;
    if let Some([height, width]) = start.terminal_size {
        let opened = open_terminal(&root, Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 })?;
        hand_over_terminal(channel, &launch.console, &opened.master)?;
        terminal = Some(opened);
    }
    let (none, no_output) = (Default::default(), Output::default());
    let mut setup = Setup::new(&none, &launch.process, &no_output);
    setup.enter(root, kernel);
    let mut creator = OverChannel { channel, console: &launch.console };
    for (index, operation) in own() {
        setup.run(index, operation, &mut creator)?;
    }
    Ok(terminal)
}
