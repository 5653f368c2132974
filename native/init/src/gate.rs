//! The init's side of the conversation in protocol.rs, from the plan to the exec.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{accept_with, SocketFlags};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tsrunc_plan::container::Namespace;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::end_process_1_on_signals;
use tsrunc_sys::{namespaces, process as sys};

use crate::kernel_files::set_key_label;
use crate::process::{become_user, own_stdio, take_terminal};
use crate::seccomp::{filter_of_hooks, load_when, Moment};
use crate::setup::{Creator, Setup};
use tsrunc_common::descriptors::send_descriptor;
use tsrunc_common::hooks::{run_hooks, Directory, HookContext, Output};
use tsrunc_common::limits::{low_open_files, set_limits};
use tsrunc_common::protocol::{require_filter, unexpected, Channel, Console, FromInit, Gate, InitPlan, ToInit};

/// Exit status of an init whose setup or exec failed (the reason went to the creator or starter).
const FAILED_STATUS: i32 = 255;

/// Runs the init on the inherited socket of this number. Returns the exit status of a failure.
pub fn run(socket: i32) -> i32 {
    let Ok(socket) = sys::inherited(socket) else { return FAILED_STATUS };
    let mut channel = Channel::new(socket);
    match container(&mut channel) {
        Ok(never) => match never {},
        Err(failure) => {
            // A starter or creator that is gone cannot be told; the exit status remains.
            if let Err(_unheard) = channel.send(&FromInit::Failed(failure)) {}
            FAILED_STATUS
        }
    }
}

enum Never {}

/// Sets the container up, waits at the gate and executes the program. `channel` becomes the starter's.
fn container(channel: &mut Channel) -> Result<Never, Failure> {
    sys::reset_signals();
    end_process_1_on_signals(); // as runc's init does while it waits for `start`
    sys::set_dumpable(false).during(|| "become undumpable".into())?;
    let (ToInit::Plan(plan), tasks) = channel.receive_with()? else { return Err(unexpected("a plan")) };
    join_cgroups(tasks).during(|| "join the container's cgroups".into())?;
    reset_cpu_affinity().during(|| "allow the container all CPUs of its cpuset".into())?;
    sys::close_all_but(&descriptors(channel, &plan)).during(|| "close the caller's descriptors".into())?;
    let notify = plan.notify.map(sys::inherited).transpose().during(|| "take over the notify socket".into())?;
    let lent = |&(operation, number): &(usize, i32)| sys::inherited(number).map(|fd| (operation, fd));
    let lent_mounts = plan.lent_mounts.iter().map(lent).collect::<Result<BTreeMap<usize, OwnedFd>, _>>().during(|| "take over bind sources".into())?;
    let hook_output = Output::inherited(plan.hook_output).during(|| "take over the files of hooks".into())?;
    require_filter(&plan.process, plan.seccomp.is_some())?;
    join_namespaces(&plan)?;
    // A session of our own before the terminal is opened: only a leader may have a controlling one.
    rustix::process::setsid().during(|| "setsid".into())?;
    if let Some(name) = &plan.process.keyring {
        join_keyring(name, plan.process.keyring_label.as_deref())?;
    }
    let mut creator = OverChannel { channel, console: &plan.console };
    let open_files = allow_descriptors(plan.operations.len()).during(|| "raise RLIMIT_NOFILE for the mounts".into())?;
    let mut setup = Setup::new(&lent_mounts, &plan.process, &hook_output);
    setup.open_files = open_files.map(|before| [before.current, before.maximum].map(|limit| limit.unwrap_or(u64::MAX)));
    for (index, operation) in plan.operations.iter().chain(&plan.process.operations).enumerate() {
        setup.run(index, operation, &mut creator)?;
    }
    match setup.terminal.take() {
        Some(terminal) => take_terminal(terminal, plan.process.uid)?,
        None => own_stdio(plan.process.uid)?,
    }
    drop(setup);
    if let Some(before) = open_files {
        setrlimit(Resource::Nofile, before).during(|| "restore RLIMIT_NOFILE".into())?;
    }
    // Before the working directory is entered, whose path may be an image's: a clone of the host's mounts is no place for it.
    drop(lent_mounts);
    // After the setup, which they must not hinder, and before the change of user, who may not set them.
    if plan.in_user_namespace && !plan.process.rlimits.is_empty() {
        channel.ask(&FromInit::Limits)?;
    } else {
        set_limits(0, &plan.process)?;
    }
    let program = become_user(&plan.process, || load_when(Moment::Privileged, &plan, channel))?;
    load_when(Moment::Created, &plan, channel)?;
    // The change of user cleared it; from here on the creator's end of the socket tells that it died.
    let gate = match plan.gate {
        Gate::Socket(number) => Some(sys::inherited(number).during(|| "take over the gate".into())?),
        Gate::Channel => None,
    };
    channel.send(&FromInit::Ready)?;
    let Some(ToInit::Release { state }) = channel.receive()? else { return Err(unexpected("a release")) };
    if let Some(gate) = gate {
        *channel = wait_at_gate(&gate)?;
        if let Some(notify) = notify {
            channel.send(&FromInit::Notify)?;
            send_descriptor(channel.socket().as_fd(), notify.as_fd()).during(|| "send the notify socket to the starter".into())?;
        }
    }
    let directory = Directory::Own; // the program's, which become_user entered
    let open_files = low_open_files(&plan.process)?;
    let context =
        HookContext { state: &state, output: &hook_output, env: program.env(), directory, open_files, interrupt: None, filter: filter_of_hooks(&plan) };
    run_hooks(&plan.start_container_hooks, &context)?;
    if let Some([current, maximum]) = open_files.map(|limit| limit.map(Some)) {
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).during(|| "set RLIMIT_NOFILE".into())?;
    }
    match (channel.send(&FromInit::Executing), &plan.gate) {
        // The container is started, whatever became of the starter while startContainer hooks ran.
        (Err(_starter_gone), Gate::Socket(_)) => {}
        (result, _) => result?,
    }
    Err(program.execute(&plan.process, || load_when(Moment::Exec, &plan, channel)))
}

/// Each mount has a descriptor until the setup is done. Where the caller's soft limit is too low for that, it is raised meanwhile.
///
/// Returns the limit to restore.
fn allow_descriptors(operations: usize) -> Result<Option<Rlimit>, Errno> {
    /// What is open beside them.
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

/// What the creator left open on purpose. Anything else is the caller's, and would be a way out (CVE-2024-21626).
fn descriptors(channel: &Channel, plan: &InitPlan<'_>) -> Vec<i32> {
    let mut open = vec![channel.socket().as_raw_fd()];
    open.extend(plan.lent_mounts.iter().map(|(_, number)| number));
    open.extend(plan.hook_output.iter().flatten());
    open.extend(plan.join.iter().map(|(_, number)| number));
    open.extend(plan.notify);
    open.extend(match plan.gate {
        Gate::Socket(number) => Some(number),
        Gate::Channel => None,
    });
    open.extend(match plan.console {
        Console::Socket(number) => Some(number),
        Console::None | Console::Channel => None,
    });
    open.extend((0..plan.process.preserve_fds as i32).map(|index| 3 + index));
    open
}

/// Waits for a starter; one that hangs up without a word (a look whether somebody waits) is passed over.
fn wait_at_gate(gate: &OwnedFd) -> Result<Channel, Failure> {
    loop {
        let starter = accept_with(gate, SocketFlags::CLOEXEC).during(|| "accept at the start gate".into())?;
        let starter = Channel::new(starter);
        if let Ok(Some(ToInit::Start)) = starter.receive() {
            return Ok(starter);
        }
    }
}

/// Moves this process, its only thread, into v1 cgroups (`tasks` in cgroups(7)).
fn join_cgroups(tasks: Vec<OwnedFd>) -> Result<(), Errno> {
    tasks.iter().try_for_each(|tasks| rustix::io::write(tasks, b"0").map(drop))
}

/// The caller's affinity is for the caller: a manager that systemd bound to some CPUs would bind its containers to them.
fn reset_cpu_affinity() -> Result<(), Errno> {
    match tsrunc_sys::schedule::reset_cpu_affinity() {
        // A seccomp filter that the caller runs under. What is left is narrower than what the cpuset allows.
        Err(Errno::PERM | Errno::NOSYS) => Ok(()),
        result => result,
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

/// What was unshared before this program was executed. The execution itself enters it on newer kernels alone (6.3).
fn enter_new_time_namespace() -> Result<(), Errno> {
    let namespace = rustix::fs::open("/proc/self/ns/time_for_children", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    namespaces::join(namespace.as_fd(), Namespace::Time)
}

/// Managers give both the path of a user namespace and its maps; others than it has would be ignored silently.
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

/// A session keyring of its own, where the kernel has keyrings.
fn join_keyring(name: &str, label: Option<&str>) -> Result<(), Failure> {
    label.map_or(Ok(()), set_key_label)?;
    match sys::new_session_keyring(name) {
        Err(rustix::io::Errno::NOSYS) => {} // a kernel without keyrings shares none
        result => result.during(|| "join a new session keyring".into()).map_err(explain_quota)?,
    }
    label.map_or(Ok(()), |_| set_key_label(""))
}

/// A user has few keys (200 by default), and a keyring is one.
fn explain_quota(mut failure: Failure) -> Failure {
    if failure.errno.as_deref() == Some("EDQUOT") {
        failure.cause += "; the user has all the keys that /proc/sys/kernel/keys allows, with --no-new-keyring the container makes none";
    }
    failure
}

struct OverChannel<'a> {
    channel: &'a Channel,
    console: &'a Console,
}

impl Creator for OverChannel<'_> {
    fn hooks(&mut self) -> Result<String, Failure> {
        self.channel.ask(&FromInit::Hooks)
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.channel.socket().as_fd()
    }

    fn schedule(&mut self) -> Result<(), Failure> {
        self.channel.ask(&FromInit::Schedule).map(drop)
    }

    fn terminal(&mut self, master: &OwnedFd) -> Result<(), Failure> {
        match self.console {
            Console::Socket(number) => {
                let socket = sys::inherited(*number).during(|| "take over the console socket".into())?;
                send_descriptor(socket.as_fd(), master.as_fd()).during(|| "send the terminal to the console socket".into())
            }
            Console::Channel => {
                self.channel.send(&FromInit::Terminal)?;
                send_descriptor(self.channel.socket().as_fd(), master.as_fd()).during(|| "send the terminal to the creator".into())
            }
            Console::None => Err(Failure::new(FailureCode::BadRequest, "send the terminal", "nobody wants it")),
        }
    }
}
