//! The init's side of the protocol (protocol.rs in native/common), from the plan to the exec.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{accept_with, SocketFlags};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tsrunc_common::descriptors::send_descriptor;
use tsrunc_common::hooks::{run_hooks, Directory, HookContext, Output};
use tsrunc_common::limits::low_open_files;
use tsrunc_common::protocol::{require_filter, unexpected, Channel, FromInit, Gate, InitPlan, ToInit};
use tsrunc_plan::container::Namespace;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::end_process_1_on_signals;
use tsrunc_sys::{namespaces, process as sys};

use crate::change_mounts::change_mounts;
use crate::creator::ChannelCreator;
use crate::exec::exec;
use crate::kernel_files::KernelFiles;
use crate::launch::{
    await_release, become_program, begin_session, execute, join_cgroups, join_session_keyring, launch_descriptors, reset_cpu_affinity, take_source_clones,
    Never,
};
use crate::process::{control_terminal, set_dumpable};
use crate::seccomp::filter_of_hooks;
use crate::setup::Setup;

/// Exit status of an init whose setup or exec failed. The reason is sent to the creator or starter.
const FAILED_STATUS: i32 = 255;

/// Runs the init on the inherited socket of this number. Returns the exit status of a failure.
pub fn run(socket: i32) -> i32 {
    let Ok(socket) = sys::inherited(socket) else { return FAILED_STATUS };
    let mut channel = Channel::new(socket);
    match live(&mut channel) {
        Ok(never) => match never {},
        Err(failure) => {
            // If the creator or starter is gone, only the exit status is left.
            if let Err(_peer_gone) = channel.send(&FromInit::Failed(failure)) {}
            FAILED_STATUS
        }
    }
}

/// Does what the first message asks for: becomes the init of a container, becomes a process of `exec`, or changes mounts.
fn live(channel: &mut Channel) -> Result<Never, Failure> {
    sys::reset_signals();
    end_process_1_on_signals(); // as runc's init, which waits for `start`
    set_dumpable(false).during(|| "become undumpable".into())?;
    match channel.receive_with()? {
        (ToInit::Plan(plan), tasks) => container(channel, *plan, tasks),
        (ToInit::Exec(start), descriptors) => exec(channel, &start, descriptors),
        (ToInit::Mounts(start), descriptors) => change_mounts(channel, &start, descriptors),
        _ => Err(unexpected("a plan")),
    }
}

/// Sets up the container, waits at the start gate and executes the program. `channel` is then the one to the starter.
fn container(channel: &mut Channel, plan: InitPlan<'_>, tasks: Vec<OwnedFd>) -> Result<Never, Failure> {
    let launch = &plan.launch;
    join_cgroups(tasks)?;
    reset_cpu_affinity()?;
    sys::close_all_but(&descriptors(channel, &plan)).during(|| "close the caller's descriptors".into())?;
    let notify = plan.notify.map(sys::inherited).transpose().during(|| "take over the notify socket".into())?;
    let source_clones = take_source_clones(&plan.source_clones)?;
    let hook_output = Output::inherited(plan.hook_output).during(|| "take over the files of hooks".into())?;
    require_filter(&launch.process, launch.seccomp.is_some())?;
    join_namespaces(&plan)?;
    begin_session()?;
    join_session_keyring(&launch.process, &mut KernelFiles::default())?;
    let mut creator = ChannelCreator { channel, console: &launch.console };
    let count = plan.operations.len() + launch.process.operations.len();
    let open_files = allow_descriptors(count).during(|| "raise RLIMIT_NOFILE for the mounts".into())?;
    let mut setup = Setup::new(&source_clones, &launch.process, &hook_output);
    setup.open_files = open_files.map(|before| [before.current, before.maximum].map(|limit| limit.unwrap_or(u64::MAX)));
    for (index, operation) in plan.operations.iter().chain(&launch.process.operations).enumerate() {
        setup.run(index, operation, &mut creator)?;
    }
    let terminal = setup.terminal.take();
    drop(setup);
    if let Some(before) = open_files {
        setrlimit(Resource::Nofile, before).during(|| "restore RLIMIT_NOFILE".into())?;
    }
    // Before chdir to the working directory: its path comes from the image and must not reach a clone of the host's mounts by
    // /proc/self/fd.
    drop(source_clones);
    let has_terminal = terminal.is_some();
    let program = become_program(channel, launch, terminal)?;
    if has_terminal {
        control_terminal()?;
    }
    let gate = match launch.gate {
        Gate::Socket(number) => Some(sys::inherited(number).during(|| "take over the gate".into())?),
        Gate::Channel => None,
    };
    let state = await_release(channel, launch)?;
    if let Some(gate) = gate {
        *channel = wait_at_gate(&gate)?;
        if let Some(notify) = notify {
            channel.send(&FromInit::Notify)?;
            send_descriptor(channel.socket().as_fd(), notify.as_fd()).during(|| "send the notify socket to the starter".into())?;
        }
    }
    let directory = Directory::Inherit; // the program's working directory, which become_user has entered
    let open_files = low_open_files(&launch.process)?;
    let context =
        HookContext { state: &state, output: &hook_output, env: program.env(), directory, open_files, interrupt: None, filter: filter_of_hooks(launch) };
    run_hooks(&plan.start_container_hooks, &context)?;
    execute(channel, launch, &program)
}

/// Raises the soft RLIMIT_NOFILE during the setup, if it is too low: each mount keeps a descriptor open. Returns the limit to restore.
fn allow_descriptors(operations: usize) -> Result<Option<Rlimit>, Errno> {
    /// Other descriptors that are open.
    const OTHERS: usize = 32;
    if operations < OTHERS {
        return Ok(None);
    }
    let before = getrlimit(Resource::Nofile);
    if before.current.is_none_or(|current| current >= (operations + OTHERS) as u64) {
        return Ok(None);
    }
    setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before })?;
    Ok(Some(before))
}

/// The descriptors that the creator passed. Any other is the caller's and might lead out of the container (CVE-2024-21626).
fn descriptors(channel: &Channel, plan: &InitPlan<'_>) -> Vec<i32> {
    let mut open = vec![channel.socket().as_raw_fd()];
    open.extend(plan.source_clones.iter().map(|(_, number)| number));
    open.extend(plan.hook_output.iter().flatten());
    open.extend(plan.join.iter().map(|(_, number)| number));
    open.extend(plan.notify);
    open.extend(match plan.launch.gate {
        Gate::Socket(number) => Some(number),
        Gate::Channel => None,
    });
    open.extend(launch_descriptors(&plan.launch));
    open
}

/// Waits for a starter. A connection without `Start` is ignored: it only checks whether the init waits.
fn wait_at_gate(gate: &OwnedFd) -> Result<Channel, Failure> {
    loop {
        let starter = accept_with(gate, SocketFlags::CLOEXEC).during(|| "accept at the start gate".into())?;
        let starter = Channel::new(starter);
        if let Ok(Some(ToInit::Start)) = starter.receive() {
            return Ok(starter);
        }
    }
}

fn join_namespaces(plan: &InitPlan<'_>) -> Result<(), Failure> {
    if let Some((uids, gids)) = &plan.expected_maps {
        compare_map("/proc/self/uid_map", uids, "/linux/uidMappings")?;
        compare_map("/proc/self/gid_map", gids, "/linux/gidMappings")?;
    }
    for (namespace, number) in &plan.join {
        let during = || format!("join {namespace:?} namespace").to_lowercase();
        let fd = sys::inherited(*number).during(during)?;
        namespaces::join(fd.as_fd(), *namespace).during(during)?;
    }
    if plan.enter_time_namespace {
        enter_new_time_namespace().during(|| "enter the new time namespace".into())?;
    }
    if plan.new_cgroup_namespace {
        namespaces::leave(&[Namespace::Cgroup]).during(|| "make cgroup namespace".into())?;
    }
    Ok(())
}

/// Enters the time namespace that was unshared before the exec of this program; since Linux 6.3 the exec has entered it already.
fn enter_new_time_namespace() -> Result<(), Errno> {
    let namespace = rustix::fs::open("/proc/self/ns/time_for_children", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    namespaces::join(namespace.as_fd(), Namespace::Time)
}

/// Managers give both the path of a user namespace and its maps. Refuse maps that differ, rather than ignore them.
fn compare_map(path: &str, expected: &[IdMapping], pointer: &str) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path).during(|| format!("read {path:?}"))?;
    let mut found: Vec<Vec<u32>> = text.lines().map(|line| line.split_whitespace().filter_map(|number| number.parse().ok()).collect()).collect();
    let mut wanted: Vec<Vec<u32>> = expected.iter().map(|line| vec![line.container_id, line.host_id, line.size]).collect();
    found.sort();
    wanted.sort();
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(FailureCode::Other, format!("join user namespace ({pointer})"), format!("its mappings are {found:?}, config.json says {wanted:?}")))
}
