//! The steps that the init of a container and a process of `exec` share: cgroups, session, terminal, limits, user, seccomp filter, exec.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{setrlimit, Resource, Rlimit};
use tsrunc_common::descriptors::send_descriptor;
use tsrunc_common::limits::{low_open_files, set_limits};
use tsrunc_common::protocol::{unexpected, Channel, Console, FromInit, Gate, Launch, ToInit};
use tsrunc_plan::container::Process;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::process as sys;

use crate::devices::Terminal;
use crate::kernel_files::{set_key_label, KernelFiles};
use crate::process::{become_user, own_stdio, set_dumpable, use_terminal, Program};
use crate::seccomp::{load_when, Moment};

/// The result of a function that replaces this process: it has no value.
pub enum Never {}

/// Moves this process, which has a single thread, into v1 cgroups (`tasks` in cgroups(7)).
pub fn join_cgroups(tasks: Vec<OwnedFd>) -> Result<(), Failure> {
    tasks.iter().try_for_each(|tasks| rustix::io::write(tasks, b"0").map(drop)).during(|| "join the container's cgroups".into())
}

/// Drops the CPU affinity inherited from the caller: otherwise a manager whose unit has CPUAffinity would restrict its containers too.
pub fn reset_cpu_affinity() -> Result<(), Failure> {
    match tsrunc_sys::schedule::reset_cpu_affinity() {
        // The caller's own seccomp filter may deny it. The affinity is then only narrower than the cpuset.
        Err(Errno::PERM | Errno::NOSYS) => Ok(()),
        result => result.during(|| "allow the container all CPUs of its cpuset".into()),
    }
}

/// Creates a session, before a terminal is opened: only a session leader can have a controlling terminal.
pub fn begin_session() -> Result<(), Failure> {
    rustix::process::setsid().during(|| "setsid".into()).map(drop)
}

/// Joins or creates the session keyring of the process, if it has one.
pub fn join_session_keyring(process: &Process, kernel: &mut KernelFiles) -> Result<(), Failure> {
    match &process.keyring {
        Some(name) => join_keyring(name, process.keyring_label.as_deref(), kernel),
        None => Ok(()),
    }
}

fn join_keyring(name: &str, label: Option<&str>, kernel: &mut KernelFiles) -> Result<(), Failure> {
    if let Some(label) = label {
        set_key_label(kernel.procfs(None)?, label)?;
    }
    match sys::new_session_keyring(name) {
        Err(rustix::io::Errno::NOSYS) => {} // a kernel without keyrings has none to isolate
        result => result.during(|| "join a new session keyring".into()).map_err(explain_quota)?,
    }
    match label {
        Some(_) => set_key_label(kernel.procfs(None)?, ""),
        None => Ok(()),
    }
}

/// A user may have few keys (200 by default), and a keyring counts as one.
fn explain_quota(mut failure: Failure) -> Failure {
    if failure.errno.as_deref() == Some("EDQUOT") {
        failure.cause += "; the user has all the keys that /proc/sys/kernel/keys allows, with --no-new-keyring the container makes none";
    }
    failure
}

/// Numbers of the descriptors that belong to a `Launch`.
pub fn launch_descriptors(launch: &Launch<'_>) -> impl Iterator<Item = i32> {
    let console = match launch.console {
        Console::Socket(number) => Some(number),
        Console::None | Console::Channel => None,
    };
    console.into_iter().chain((0..launch.process.preserve_fds as i32).map(|index| 3 + index))
}

/// Takes over the clones of bind sources that the creator made, by the index of their operation.
pub fn take_source_clones(clones: &[(usize, i32)]) -> Result<BTreeMap<usize, OwnedFd>, Failure> {
    let take = |&(operation, number): &(usize, i32)| sys::inherited(number).map(|fd| (operation, fd));
    clones.iter().map(take).collect::<Result<_, _>>().during(|| "take over bind sources".into())
}

/// Sends the terminal's master to the console socket or to the creator.
pub fn send_terminal(channel: &Channel, console: &Console, master: &OwnedFd) -> Result<(), Failure> {
    match console {
        Console::Socket(number) => {
            let socket = sys::inherited(*number).during(|| "take over the console socket".into())?;
            send_descriptor(socket.as_fd(), master.as_fd()).during(|| "send the terminal to the console socket".into())
        }
        Console::Channel => {
            channel.send(&FromInit::Terminal)?;
            send_descriptor(channel.socket().as_fd(), master.as_fd()).during(|| "send the terminal to the creator".into())
        }
        Console::None => Err(Failure::new(FailureCode::BadRequest, "send the terminal", "the plan has no console")),
    }
}

/// Sets up stdio, sets the resource limits, becomes the user and looks up the program.
pub fn become_program(channel: &Channel, launch: &Launch<'_>, terminal: Option<Terminal>) -> Result<Program, Failure> {
    let process = &launch.process;
    match terminal {
        Some(terminal) => use_terminal(terminal, process.uid)?,
        None => own_stdio(process.uid)?,
    }
    // After the setup, which the limits must not hamper; before the change of user, which may take the privilege.
    if launch.in_user_namespace && !process.rlimits.is_empty() {
        channel.ask(&FromInit::Limits)?;
    } else {
        set_limits(0, process)?;
    }
    let program = become_user(process, || load_when(Moment::Privileged, launch, channel))?;
    // The change of user may have made it dumpable again (fs.suid_dumpable in proc_sys_fs(5)).
    set_dumpable(false).during(|| "become undumpable".into())?;
    Ok(program)
}

/// Loads a filter with a listener, reports `Ready` and waits for `Release`. Returns the state for startContainer hooks.
pub fn await_release(channel: &Channel, launch: &Launch<'_>) -> Result<String, Failure> {
    load_when(Moment::Created, launch, channel)?;
    channel.send(&FromInit::Ready)?;
    match channel.receive()? {
        Some(ToInit::Release { state }) => Ok(state),
        _ => Err(unexpected("a release")),
    }
}

/// Executes the program.
pub fn execute(channel: &Channel, launch: &Launch<'_>, program: &Program) -> Result<Never, Failure> {
    if let Some([current, maximum]) = low_open_files(&launch.process)?.map(|limit| limit.map(Some)) {
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).during(|| "set RLIMIT_NOFILE".into())?;
    }
    match (channel.send(&FromInit::Executing), &launch.gate) {
        // The container starts even if the starter exited while startContainer hooks ran.
        (Err(_starter_gone), Gate::Socket(_)) => {}
        (result, _) => result?,
    }
    Err(program.execute(&launch.process, || load_when(Moment::Exec, launch, channel)))
}
