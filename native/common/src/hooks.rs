//! Runs hooks (config.md#posix-platform-hooks): in the container's namespaces from the init, in the runtime's from the host.
//!
//! A hook is a child of the process that runs it and inherits what its entry does not name; README.md ("Hooks") has the table.

use std::ffi::{CString, NulError, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{memfd_create, MemfdFlags, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, FdFlags};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{kill_process_group, pidfd_open, pidfd_send_signal, waitid, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{Hook, HookOutput};
use tsrunc_sys::command::{spawn, Command, NotStarted};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::process as sys;
use tsrunc_sys::seccomp::Filter;
use tsrunc_sys::signals::Caught;

/// As much of a hook's output as an error shows.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// Where hooks write to; what is None is kept for an error to show.
#[derive(Default)]
pub struct Output {
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

impl Output {
    /// Opens the files, on the host.
    pub fn open(files: Option<&HookOutput>) -> Result<Output, Failure> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
        let open = |path: &Option<String>| {
            let open =
                |path: &String| rustix::fs::open(path.as_str(), flags, Mode::RUSR | Mode::WUSR).during(|| format!("open {path:?} for the output of hooks"));
            path.as_ref().map(open).transpose()
        };
        Ok(match files {
            Some(files) => Output { stdout: open(&files.stdout)?, stderr: open(&files.stderr)? },
            None => Output::default(),
        })
    }

    /// Takes over what the creator opened; the program gets none of it.
    pub fn inherited(numbers: [Option<i32>; 2]) -> Result<Output, Errno> {
        let take = |number: Option<i32>| {
            let take = |number| sys::inherited(number).and_then(|fd| rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).map(|()| fd));
            number.map(take).transpose()
        };
        Ok(Output { stdout: take(numbers[0])?, stderr: take(numbers[1])? })
    }

    /// The numbers, for the init.
    pub fn numbers(&self) -> [Option<i32>; 2] {
        [&self.stdout, &self.stderr].map(|file| file.as_ref().map(AsRawFd::as_raw_fd))
    }
}

/// What hooks get beside their own entry.
pub struct HookContext<'a> {
    /// The state that they read from stdin.
    pub state: &'a str,
    pub output: &'a Output,
    /// The environment of a hook whose entry has no `env`.
    pub env: &'a [CString],
    pub directory: Directory,
    /// RLIMIT_NOFILE of hooks, soft and hard, where it is not that of the process that runs them.
    pub open_files: Option<[u64; 2]>,
    pub interrupt: Option<Interrupt<'a>>,
    /// Loaded in each hook. The caller has no_new_privs.
    pub filter: Option<Filter<'a>>,
}

/// What ends a hook before its time.
#[derive(Clone, Copy)]
pub enum Interrupt<'a> {
    /// A signal that asks this process to end.
    Signal(&'a Caught),
    /// The end of the process that has the other end of this socket.
    PeerGone(BorrowedFd<'a>),
}

impl<'a> Interrupt<'a> {
    fn watched(&self) -> PollFd<'a> {
        match *self {
            Interrupt::Signal(caught) => PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN),
            Interrupt::PeerGone(socket) => PollFd::from_borrowed_fd(socket, PollFlags::RDHUP),
        }
    }

    /// `ready`: whether poll(2) found something.
    fn came(&self, ready: bool) -> bool {
        match self {
            Interrupt::Signal(caught) => caught.asked_to_end(),
            Interrupt::PeerGone(_) => ready,
        }
    }
}

/// The working directory of hooks.
#[derive(Clone, Copy, PartialEq)]
pub enum Directory {
    /// The bundle, or `/` where that cannot be reached.
    Bundle,
    /// That of the process that runs them.
    Own,
}

/// Runs hooks one after another, up to the first that fails.
///
/// # Errors
/// As of `run_hook`.
pub fn run_hooks(hooks: &[Hook], context: &HookContext<'_>) -> Result<(), Failure> {
    hooks.iter().try_for_each(|hook| run_hook(hook, context))
}

/// Runs hooks in the namespaces of the runtime, with its environment, until a signal of `interrupt` asks this process to end.
///
/// # Errors
/// As of `run_hook`.
pub fn run_runtime_hooks(hooks: &[Hook], state: &str, output: &Output, interrupt: Option<&Caught>) -> Result<(), Failure> {
    if hooks.is_empty() {
        return Ok(());
    }
    let interrupt = interrupt.map(Interrupt::Signal);
    run_hooks(hooks, &HookContext { state, output, env: &own_environment(), directory: Directory::Bundle, open_files: None, interrupt, filter: None })
}

/// The environment of this process.
fn own_environment() -> Vec<CString> {
    let entry = |(name, value): (OsString, OsString)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok();
    std::env::vars_os().filter_map(entry).collect()
}

/// Runs the hook with the state on its stdin and waits for its end. It gets a process group, which a timeout or an interruption
/// kills.
///
/// # Errors
/// `Exec` when it cannot be executed; a status other than 0, with what the hook printed; a timeout; `Interrupted`.
fn run_hook(hook: &Hook, context: &HookContext<'_>) -> Result<(), Failure> {
    let during = || format!("run hook {:?} ({})", hook.path, hook.pointer);
    let bad = |cause: &str| Failure::new(FailureCode::BadRequest, during(), cause);
    if !hook.path.starts_with('/') {
        return Err(bad("the path is not absolute"));
    }
    let strings = Strings::of(hook).map_err(|_| bad("a NUL in path, arguments or environment"))?;
    let directory = (context.directory == Directory::Bundle).then(|| bundle(context.state).unwrap_or_else(|| c"/".to_owned()));
    let state = state_file(context.state).during(during)?;
    let (output, output_end) = pipe_with(PipeFlags::CLOEXEC).during(during)?;
    rustix::io::ioctl_fionbio(&output, true).during(during)?;
    let command = Command {
        path: &strings.path,
        args: &strings.args,
        env: strings.env.as_deref().unwrap_or(context.env),
        directory: directory.as_deref(),
        input: state.as_fd(),
        output: context.output.stdout.as_ref().unwrap_or(&output_end).as_fd(),
        error: context.output.stderr.as_ref().unwrap_or(&output_end).as_fd(),
        open_files: context.open_files,
        filter: context.filter,
    };
    let started = Instant::now();
    let pid = spawn(&command).map_err(|NotStarted { errno, filter_refused }| {
        let operation = if filter_refused { format!("{}: load the seccomp filter (/linux/seccomp)", during()) } else { during() };
        Failure { code: FailureCode::Exec, ..os_failure(operation, errno) }
    })?;
    drop(output_end); // else the output would never end
    let deadline = hook.timeout_seconds.map(|seconds| started + Duration::from_secs(seconds.into()));
    let end = wait(pid, &output, deadline, context.interrupt).during(during)?;
    match end.cause {
        EndCause::Own(status) if status.exit_status() == Some(0) => Ok(()),
        cause => Err(Failure::new(FailureCode::Other, during(), describe(&cause, hook, &end.output))),
    }
}

struct Strings {
    path: CString,
    args: Vec<CString>,
    env: Option<Vec<CString>>,
}

impl Strings {
    fn of(hook: &Hook) -> Result<Self, NulError> {
        let all = |strings: &[String]| strings.iter().map(|string| CString::new(string.as_str())).collect::<Result<Vec<_>, _>>();
        let path = CString::new(hook.path.as_str())?;
        let args = if hook.args.is_empty() { vec![path.clone()] } else { all(&hook.args)? };
        Ok(Strings { path, args, env: hook.env.as_deref().map(all).transpose()? })
    }
}

/// The bundle that the state names, if the hook can be there.
fn bundle(state_json: &str) -> Option<CString> {
    #[derive(serde::Deserialize)]
    struct State {
        bundle: String,
    }
    let state: State = serde_json::from_str(state_json).ok()?;
    let path = CString::new(state.bundle).ok()?;
    rustix::fs::access(format!("{}/.", path.to_str().ok()?), rustix::fs::Access::EXEC_OK).ok()?;
    Some(path)
}

/// A file, not a pipe: nothing to write while the hook runs, nothing to block on, no SIGPIPE.
fn state_file(state_json: &str) -> Result<OwnedFd, Errno> {
    let file = match memfd_create("state.json", MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("state.json", MemfdFlags::CLOEXEC), // before Linux 6.3
        result => result,
    }?;
    let mut rest = state_json.as_bytes();
    while !rest.is_empty() {
        rest = &rest[rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?..];
    }
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

struct End {
    cause: EndCause,
    output: Vec<u8>,
}

enum EndCause {
    Own(WaitIdStatus),
    /// It was killed because its time was over.
    Timeout,
    /// It was killed because nobody wants it any more.
    Interruption,
}

/// Reads the output until the hook itself has ended: what it left running may keep the pipe open for ever.
fn wait(pid: Pid, output: &OwnedFd, deadline: Option<Instant>, interrupt: Option<Interrupt<'_>>) -> Result<End, Errno> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let reap = || rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
    let mut text = Vec::new();
    let mut output_open = true;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut watched = vec![PollFd::new(&pidfd, PollFlags::IN)];
        watched.extend(interrupt.map(|interrupt| interrupt.watched()));
        watched.extend(output_open.then(|| PollFd::new(output, PollFlags::IN)));
        match poll(&mut watched, timeout.as_ref()) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        let is_ready = |index: usize| watched.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (ended, output_ready) = (is_ready(0), is_ready(watched.len() - 1));
        let interrupted = interrupt.is_some_and(|interrupt| interrupt.came(is_ready(1)));
        if output_open && (ended || output_ready) {
            output_open = read_available(output, &mut text)?;
        }
        if ended {
            // A child that has ended and is not reaped has a status.
            let status = reap()?.ok_or(Errno::CHILD)?;
            return Ok(End { cause: EndCause::Own(status), output: text });
        }
        if interrupted || left.is_some_and(|left| left.is_zero()) {
            // The child is not reaped yet, so its number and its group's are still its own.
            if let Err(_group_gone) = kill_process_group(pid, Signal::KILL) {}
            pidfd_send_signal(&pidfd, Signal::KILL)?; // it may have left its group
            reap()?;
            read_available(output, &mut text)?;
            return Ok(End { cause: if interrupted { EndCause::Interruption } else { EndCause::Timeout }, output: text });
        }
    }
}

/// Takes what is there, keeps as much as an error shows. False at the end of the output.
fn read_available(output: &OwnedFd, text: &mut Vec<u8>) -> Result<bool, Errno> {
    let mut buffer = [0u8; 4096];
    loop {
        match rustix::io::read(output, &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => text.extend_from_slice(&buffer[..count.min(MAX_OUTPUT_BYTES - text.len())]),
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn describe(cause: &EndCause, hook: &Hook, output: &[u8]) -> String {
    let end = match cause {
        EndCause::Timeout => format!("timed out after {} seconds", hook.timeout_seconds.unwrap_or_default()),
        EndCause::Interruption => "given up".to_owned(),
        EndCause::Own(status) => match status.terminating_signal() {
            Some(signal) => format!("killed by signal {signal}"),
            None => format!("exit status {}", status.exit_status().unwrap_or(-1)),
        },
    };
    let output = String::from_utf8_lossy(output);
    match output.trim() {
        "" => end,
        output => format!("{end}, output: {output}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Hook {
        Hook {
            path: "/bin/sh".into(),
            args: vec!["hook".into(), "-c".into(), script.into()],
            env: Some(vec!["A=b=c".into()]),
            timeout_seconds: Some(5),
            pointer: "/hooks/createRuntime/0".into(),
        }
    }

    fn run(hook: &Hook, state: &str) -> Result<(), Failure> {
        run_runtime_hooks(std::slice::from_ref(hook), state, &Output::default(), None)
    }

    fn error_of(hook: &Hook, state: &str) -> String {
        run(hook, state).unwrap_err().to_string()
    }

    #[test]
    fn gives_state_environment_and_arguments() {
        let script = r#"read -r line; [ "$line" = '{"id":"c"}' ] && [ "$A" = b=c ] && [ -z "$HOME$USER" ] && [ "$PWD" = / ]"#;
        run(&shell(script), r#"{"id":"c"}"#).unwrap();
    }

    #[test]
    fn without_an_environment_of_its_own_a_hook_has_that_of_the_runtime() {
        let script = format!(r#"[ "$PATH" = "{}" ] && [ -z "$A" ]"#, std::env::var("PATH").unwrap());
        run(&Hook { env: None, ..shell(&script) }, "{}").unwrap();
        run(&Hook { env: Some(vec![]), ..shell(&script) }, "{}").unwrap_err();
    }

    #[test]
    fn works_in_the_bundle() {
        run(&shell(r#"[ "$(pwd -P)" = /proc ]"#), r#"{"bundle":"/proc"}"#).unwrap();
        run(&shell(r#"[ "$(pwd -P)" = / ]"#), r#"{"bundle":"/nowhere"}"#).unwrap();
    }

    #[test]
    fn does_not_mind_a_hook_that_leaves_a_long_state_unread() {
        run(&shell("exit 0"), &"x".repeat(300 << 10)).unwrap();
    }

    #[test]
    fn tells_status_and_output() {
        assert_eq!(error_of(&shell("echo one; echo two >&2; exit 3"), "{}"), "run hook \"/bin/sh\" (/hooks/createRuntime/0): exit status 3, output: one\ntwo");
        assert_eq!(error_of(&shell("kill -9 $$"), "{}"), "run hook \"/bin/sh\" (/hooks/createRuntime/0): killed by signal 9");
    }

    #[test]
    fn appends_to_files_that_it_makes() {
        let folder = std::env::temp_dir().join(format!("tsrunc-hooks-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let files = HookOutput { stdout: Some(path("out")), stderr: None };
        for _ in 0..2 {
            let output = Output::open(Some(&files)).unwrap();
            let text = run_runtime_hooks(&[shell("echo out; echo err >&2; exit 3")], "{}", &output, None).unwrap_err().to_string();
            assert_eq!(text, "run hook \"/bin/sh\" (/hooks/createRuntime/0): exit status 3, output: err");
        }
        assert_eq!(std::fs::read_to_string(path("out")).unwrap(), "out\nout\n");
        let nowhere = HookOutput { stdout: None, stderr: Some(path("no/err")) };
        assert!(Output::open(Some(&nowhere)).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn bounds_the_output() {
        let text = error_of(&shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1"), "{}");
        assert!((MAX_OUTPUT_BYTES..MAX_OUTPUT_BYTES + 200).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn kills_hook_and_children_when_the_time_is_over() {
        let hook = Hook { timeout_seconds: Some(1), ..shell("sleep 100 & echo $!; wait") };
        let started = Instant::now();
        let text = error_of(&hook, "{}");
        assert!(started.elapsed() < Duration::from_secs(4));
        let (words, child) = text.rsplit_once(' ').unwrap();
        assert_eq!(words, "run hook \"/bin/sh\" (/hooks/createRuntime/0): timed out after 1 seconds, output:");
        std::thread::sleep(Duration::from_millis(100));
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn does_not_wait_for_what_the_hook_left_running() {
        let started = Instant::now();
        run(&shell("sleep 3 & exit 0"), "{}").unwrap();
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn refuses_what_it_cannot_execute() {
        let missing = Hook { path: "/nowhere".into(), args: vec![], ..shell("") };
        let failure = run(&missing, "{}").unwrap_err();
        assert_eq!(failure.code, FailureCode::Exec);
        assert_eq!(failure.to_string(), "run hook \"/nowhere\" (/hooks/createRuntime/0): ENOENT (no such file or directory)");
        let relative = Hook { path: "sh".into(), ..shell("") };
        assert_eq!(error_of(&relative, "{}"), "run hook \"sh\" (/hooks/createRuntime/0): the path is not absolute");
    }

    #[test]
    fn starts_with_default_signals() {
        // The harness itself ignores SIGPIPE, as every Rust program.
        run(&shell(r#"grep -q "SigIgn:.0000000000000000" /proc/self/status && grep -q "SigBlk:.0000000000000000" /proc/self/status"#), "{}").unwrap();
    }

    #[test]
    fn refuses_strings_that_no_program_can_get() {
        let hook = Hook { env: Some(vec!["A=\0".into()]), ..shell("exit 0") };
        assert_eq!(error_of(&hook, "{}"), "run hook \"/bin/sh\" (/hooks/createRuntime/0): a NUL in path, arguments or environment");
    }
}
