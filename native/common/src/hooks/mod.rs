//! Runs hooks (config.md#posix-platform-hooks): the init runs those in the container's namespaces, its creator those in the runtime's.
//!
//! A hook is a child of the process that runs it and inherits what its entry in config.json does not set; README.md ("Hooks") has the table.

mod end;
mod output;

use std::ffi::{CString, NulError, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::fs::{memfd_create, MemfdFlags, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::Hook;
use tsrunc_sys::command::{spawn, Command, NotStarted};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::seccomp::Filter;
use tsrunc_sys::signals::Caught;

pub use end::Interrupt;
use end::{wait_for_end, EndCause};
pub use output::Output;

/// What hooks get beside their entry in config.json.
pub struct HookContext<'a> {
    /// The state that they read on stdin.
    pub state: &'a str,
    pub output: &'a Output,
    /// The environment of a hook whose entry has no `env`.
    pub env: &'a [CString],
    pub directory: Directory,
    /// RLIMIT_NOFILE, soft and hard. None: that of the process that runs them.
    pub open_files: Option<[u64; 2]>,
    pub interrupt: Option<Interrupt<'a>>,
    /// Seccomp filter that each hook loads right before its exec. The caller must have set no_new_privs.
    pub filter: Option<Filter<'a>>,
}

/// The working directory of hooks.
#[derive(Clone, Copy, PartialEq)]
pub enum Directory {
    /// The bundle, or `/` if the bundle cannot be entered.
    Bundle,
    /// The working directory of the process that runs them.
    Inherit,
}

/// Runs hooks one after another; stops at the first failure.
///
/// # Errors
/// As for `run_hook`.
pub fn run_hooks(hooks: &[Hook], context: &HookContext<'_>) -> Result<(), Failure> {
    hooks.iter().try_for_each(|hook| run_hook(hook, context))
}

/// Runs hooks in the runtime's namespaces, with its environment. A signal of `interrupt` ends the hook.
///
/// # Errors
/// As for `run_hook`.
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

/// Runs a hook with the state on stdin and waits until it exits. It has its own process group, which is killed on a timeout or an interrupt.
///
/// # Errors
/// `Exec` if it cannot be executed; an exit status other than 0, with the hook's output; a timeout; an interrupt.
fn run_hook(hook: &Hook, context: &HookContext<'_>) -> Result<(), Failure> {
    let during = || describe_running(hook);
    let bad = |cause: &str| Failure::new(FailureCode::BadRequest, during(), cause);
    if !hook.path.starts_with('/') {
        return Err(bad("the path is not absolute"));
    }
    let strings = Strings::new(hook).map_err(|_| bad("a NUL in path, arguments or environment"))?;
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
        inherit: None,
        open_files: context.open_files,
        filter: context.filter,
    };
    let started = Instant::now();
    let pid = spawn(&command).map_err(|NotStarted { errno, filter_refused }| {
        let operation = if filter_refused { format!("{}: load the seccomp filter (/linux/seccomp)", during()) } else { during() };
        Failure { code: FailureCode::Exec, ..os_failure(operation, errno) }
    })?;
    drop(output_end); // so that only the hook and its children hold the pipe open
    let deadline = hook.timeout_seconds.map(|seconds| started + Duration::from_secs(seconds.into()));
    let end = wait_for_end(pid, &output, deadline, context.interrupt).during(during)?;
    match end.cause {
        EndCause::Exit(status) if status.exit_status() == Some(0) => Ok(()),
        cause => Err(Failure::new(FailureCode::Other, during(), describe(&cause, hook, &end.output))),
    }
}

/// `error running createRuntime hook #1: "/bin/x" (/hooks/createRuntime/1)`: the beginning is runc's text.
fn describe_running(hook: &Hook) -> String {
    let mut parts = hook.pointer.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(number), Some(kind)) => format!("error running {kind} hook #{number}: {:?} ({})", hook.path, hook.pointer),
        _ => format!("run hook {:?} ({})", hook.path, hook.pointer),
    }
}

struct Strings {
    path: CString,
    args: Vec<CString>,
    env: Option<Vec<CString>>,
}

impl Strings {
    fn new(hook: &Hook) -> Result<Self, NulError> {
        let all = |strings: &[String]| strings.iter().map(|string| CString::new(string.as_str())).collect::<Result<Vec<_>, _>>();
        let path = CString::new(hook.path.as_str())?;
        let args = if hook.args.is_empty() { vec![path.clone()] } else { all(&hook.args)? };
        Ok(Strings { path, args, env: hook.env.as_deref().map(all).transpose()? })
    }
}

/// The bundle in the state, if it can be entered.
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

/// A memory file rather than a pipe: the hook may leave a long state unread without blocking us or raising SIGPIPE.
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

fn describe(cause: &EndCause, hook: &Hook, output: &[u8]) -> String {
    let end = match cause {
        EndCause::Timeout => format!("timed out after {} seconds", hook.timeout_seconds.unwrap_or_default()),
        EndCause::Interruption => "given up".to_owned(),
        EndCause::Exit(status) => match status.terminating_signal() {
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
mod tests;
