//! The protocol between the container's init and the process that creates or starts the container.
//!
//! ```text
//! creator                         init                     over a socket pair
//!   Plan, and the tasks files of its v1 cgroups by SCM_RIGHTS
//!                      ->           joins them, sets up the container
//!                      <-           Terminal, then the master by SCM_RIGHTS   (process.terminal)
//!                      <-           Hooks             (mounts are done, before pivot_root)
//!   Continue           ->           continues, createContainer hooks first
//!                      <-           Schedule          (process.scheduler, ioPriority)
//!   Continue           ->           continues
//!                      <-           Limits            (in a user namespace)
//!   Continue           ->           sets up the process
//!                      <-           Listener          (its seccomp filter has a listener)
//!   Continue           ->           continues
//!                      <-           Ready             (or Failed at any time)
//!   Release            ->           waits at the gate; with Gate::Channel continues, and the creator is the starter
//! starter
//!   Start              ->           over the gate socket
//!                      <-           Notify, then the socket by SCM_RIGHTS     (the creator's NOTIFY_SOCKET)
//!                                   startContainer hooks, exec
//!                      <-           Executing, then end of file: exec succeeded; or Failed
//!
//! exec                            the process that exec adds
//!   Exec, and by SCM_RIGHTS a pidfd of the container's init, its root if `chroot`, the tasks files of its v1 cgroups
//!                      ->           joins cgroups and namespaces, becomes the container's user; as above: Terminal, Limits
//!                      <-           PidsLimit         (pids.max has room for one process only)
//!   Continue           ->           forks again, now outside of that cgroup; the creator moves the child into it
//!                      <-           Forked            (setns to a pid namespace affects children only; the parent exits)
//!   Continue           ->           its child continues; as above: Schedule, Listener, Ready, Release, Executing
//!
//! mounts                          the process that joins
//!   Mounts, and by SCM_RIGHTS a pidfd of the container's init, its root if `chroot`
//!                      ->           joins namespaces (Forked as above), mounts or unmounts
//!                      <-           Ready: all is done; or Failed: nothing is
//! ```
//! A message is a 32-bit native-endian length and that many bytes of JSON.

use std::borrow::Cow;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use tsrunc_plan::container::{ExecAffinity, MountPoint, Namespace, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_plan::operation::{Hook, Operation};
use tsrunc_sys::errno::During;

use crate::descriptors;

/// The plan of a 16 MiB config.json, the largest accepted, is shorter. A longer message means a broken peer.
const MAX_MESSAGE_BYTES: u32 = 64 << 20;

/// The part of the first message that every process gets. Descriptors are numbers: the process inherits them.
#[derive(Serialize, Deserialize)]
pub struct Launch<'a> {
    pub process: Cow<'a, Process>,
    /// The creator then sets the resource limits, because only it may raise them.
    pub in_user_namespace: bool,
    pub gate: Gate,
    pub console: Console,
    #[serde(default)]
    pub seccomp: Option<SeccompFilter>,
}

/// The first message to a container's init.
#[derive(Serialize, Deserialize)]
pub struct InitPlan<'a> {
    pub launch: Launch<'a>,
    /// Namespaces to join, in this order. The user and pid namespaces, and those that the container's user namespace does not own, were
    /// joined before this program was executed.
    pub join: Vec<(Namespace, i32)>,
    /// Made after the cgroups are joined, because the root of a cgroup namespace is its creator's cgroup.
    pub new_cgroup_namespace: bool,
    /// A time namespace with clock offsets was unshared, and is still to be entered: offsets can be set only before that.
    pub enter_time_namespace: bool,
    /// The uid and gid maps that config.json gives beside the path of a user namespace: the joined one must have the same.
    pub expected_maps: Option<(Vec<IdMapping>, Vec<IdMapping>)>,
    pub operations: Cow<'a, [Operation]>,
    pub start_container_hooks: Cow<'a, [Hook]>,
    /// Detached clones of bind sources: index of the operation, descriptor.
    pub source_clones: Vec<(usize, i32)>,
    /// Files for the hooks' stdout and stderr.
    #[serde(default)]
    pub hook_output: [Option<i32>; 2],
    /// The container's notify socket, to be passed to the starter.
    #[serde(default)]
    pub notify: Option<i32>,
}

/// The first message to a process of `exec`.
#[derive(Serialize, Deserialize)]
pub struct ExecStart<'a> {
    pub launch: Launch<'a>,
    /// Namespaces of the container's first process to join.
    pub namespaces: Cow<'a, [Namespace]>,
    /// The root of the first process comes with the message, to be entered by chroot(2).
    pub chroot: bool,
    /// The last of the tasks files is a fallback: the cgroup of the container's first process, to be used if the cgroup before it, an ancestor,
    /// takes no processes.
    pub fallback_cgroup: bool,
    pub terminal_size: Option<[u16; 2]>,
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    pub affinity: Cow<'a, Option<ExecAffinity>>,
}

/// The first message to a process that changes a container's mounts.
#[derive(Serialize, Deserialize)]
pub struct MountsStart<'a> {
    /// Namespaces of the container's first process to join.
    pub namespaces: Cow<'a, [Namespace]>,
    /// The root of the first process comes with the message, to be entered by chroot(2).
    pub chroot: bool,
    pub add: Cow<'a, [Operation]>,
    /// Detached clones of bind sources: index of the operation, descriptor.
    pub source_clones: Vec<(usize, i32)>,
    pub remove: Cow<'a, [MountPoint]>,
}

/// A compiled seccomp filter.
#[derive(Serialize, Deserialize)]
pub struct SeccompFilter {
    pub program: Vec<tsrunc_sys::seccomp::Instruction>,
    /// Flags of seccomp(2).
    pub flags: u32,
}

/// # Errors
/// The plan says that the process has a filter, but there is none: the program would run unconfined.
pub fn require_filter(process: &Process, filter: bool) -> Result<(), Failure> {
    match process.seccomp && !filter {
        true => Err(Failure::new(FailureCode::BadRequest, "confine the process (/linux/seccomp)", "its filter of system calls is missing")),
        false => Ok(()),
    }
}

/// Where the init waits for `Start`.
#[derive(Serialize, Deserialize)]
pub enum Gate {
    /// A listening socket.
    Socket(i32),
    /// No gate: `Release` starts the program.
    Channel,
}

/// Where the terminal's master goes.
#[derive(Serialize, Deserialize)]
pub enum Console {
    None,
    /// To a connected socket (`--console-socket`).
    Socket(i32),
    /// To the creator.
    Channel,
}

#[derive(Serialize, Deserialize)]
pub enum FromInit {
    /// The pid of the child that continues this conversation; the sender exits.
    Forked(i32),
    /// It could not fork, perhaps because pids.max has no room for both. After `Continue` it tries once more.
    PidsLimit(Failure),
    /// The terminal's master follows by SCM_RIGHTS.
    Terminal,
    /// Asks the creator to run prestart and createRuntime hooks.
    Hooks,
    /// Asks the creator to set the resource limits.
    Limits,
    /// Asks the creator to execute the `Schedule` operations.
    Schedule,
    /// The filter is loaded; the number is its listener's in the init, for pidfd_getfd(2). It is sent by write(2), not by SCM_RIGHTS: the filter
    /// may notify about sendmsg(2), and there is no agent yet to answer.
    Listener(i32),
    Ready,
    /// The notify socket follows by SCM_RIGHTS.
    Notify,
    /// execve(2) is next.
    Executing,
    Failed(Failure),
}

#[derive(Serialize, Deserialize)]
pub enum ToInit<'a> {
    Plan(Box<InitPlan<'a>>),
    Exec(Box<ExecStart<'a>>),
    Mounts(Box<MountsStart<'a>>),
    /// `state`: the JSON that createContainer hooks read.
    Continue {
        state: String,
    },
    /// `state`: the JSON that startContainer hooks read.
    Release {
        state: String,
    },
    Start,
}

/// A message arrived that is not the expected one.
pub fn unexpected(expected: &str) -> Failure {
    Failure::new(FailureCode::Other, "wait for the creator", format!("it did not send {expected}"))
}

/// A message with its length before it.
fn encode(message: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(|error| Failure::new(FailureCode::Other, "encode message", error.to_string()))?;
    let length = u32::try_from(bytes.len() - 4).map_err(|_| Failure::new(FailureCode::Other, "encode message", "too long"))?;
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    Ok(bytes)
}

fn during_send() -> String {
    "send to the other side of the start gate".into()
}

/// One end of the socket pair.
pub struct Channel(std::os::unix::net::UnixStream);

impl Channel {
    pub fn new(socket: OwnedFd) -> Self {
        Channel(socket.into())
    }

    pub fn socket(&self) -> &std::os::unix::net::UnixStream {
        &self.0
    }

    /// # Errors
    /// The errno of sendmsg(2): the peer is gone.
    pub fn send(&self, message: &impl Serialize) -> Result<(), Failure> {
        self.send_with(message, &[])
    }

    /// Sends a message whose first byte carries descriptors.
    ///
    /// # Errors
    /// The errno of sendmsg(2): the peer is gone.
    pub fn send_with(&self, message: &impl Serialize, fds: &[OwnedFd]) -> Result<(), Failure> {
        let bytes = encode(message)?;
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        descriptors::send(&self.0, &bytes, &fds).during(during_send)
    }

    /// Sends a message by write(2) alone, for a process whose seccomp filter may notify about every other way to send. If the peer is gone, SIGPIPE
    /// ends a process that does not ignore it.
    ///
    /// # Errors
    /// The errno of write(2).
    pub fn send_by_write(&self, message: &impl Serialize) -> Result<(), Failure> {
        let bytes = encode(message)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = retry_on_intr(|| rustix::io::write(&self.0, rest)).during(during_send)?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Asks the creator to do something and waits for its `Continue`. Returns the state that this carries.
    ///
    /// # Errors
    /// The creator is gone, or sends another message.
    pub fn ask(&self, message: &FromInit) -> Result<String, Failure> {
        self.send(message)?;
        self.await_continue()
    }

    /// Waits for the creator's `Continue`. Returns the state that this carries.
    ///
    /// # Errors
    /// The creator is gone, or sends another message.
    pub fn await_continue(&self) -> Result<String, Failure> {
        match self.receive()? {
            Some(ToInit::Continue { state }) => Ok(state),
            _ => Err(unexpected("to go on")),
        }
    }

    /// The next message; None at end of file.
    ///
    /// # Errors
    /// A read error, or a message that is truncated or malformed.
    pub fn receive<M: DeserializeOwned>(&self) -> Result<Option<M>, Failure> {
        let during = || "receive from the other side of the start gate".to_owned();
        let mut length = [0; 4];
        if let Err(error) = (&self.0).read_exact(&mut length) {
            return match error.kind() {
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => Ok(None),
                _ => Err(error).during(during),
            };
        }
        self.receive_rest(length).map(Some)
    }

    /// The next message and its descriptors.
    ///
    /// # Errors
    /// As for `receive`; also end of file, and more descriptors than RLIMIT_NOFILE allows.
    pub fn receive_with<M: DeserializeOwned>(&self) -> Result<(M, Vec<OwnedFd>), Failure> {
        let during = || "receive from the other side of the start gate".to_owned();
        let mut length = [0; 4];
        let (count, fds) = descriptors::receive(&self.0, &mut length).during(during)?;
        if count != length.len() {
            return Err(unexpected("a message"));
        }
        Ok((self.receive_rest(length)?, fds))
    }

    /// The descriptor that follows a message without being part of it. `what` names it in the error.
    ///
    /// # Errors
    /// As of `receive`; a peer that sent no descriptor.
    pub fn receive_descriptor(&self, what: &str) -> Result<OwnedFd, Failure> {
        let during = || format!("receive {what}");
        let mut name = [0; descriptors::NAME.len()]; // not more, because the next message follows
        let (_, fds) = descriptors::receive(&self.0, &mut name).during(during)?;
        fds.into_iter().next().ok_or_else(|| Failure::new(FailureCode::Other, during(), "no descriptor came"))
    }

    fn receive_rest<M: DeserializeOwned>(&self, length: [u8; 4]) -> Result<M, Failure> {
        let during = || "receive from the other side of the start gate".to_owned();
        let length = u32::from_ne_bytes(length);
        if length > MAX_MESSAGE_BYTES {
            return Err(Failure::new(FailureCode::Other, during(), format!("a message of {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        (&self.0).read_exact(&mut bytes).during(during)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::new(FailureCode::Other, during(), error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_process_whose_filter_is_missing() {
        let process = |seccomp: bool| -> Process {
            let mut json = serde_json::json!({ "args": [], "env": [], "setHome": false, "cwd": "/", "uid": 0, "gid": 0, "umask": 18, "rlimits": [],
                "noNewPrivileges": true, "terminal": false, "preserveFds": 0 });
            if seccomp {
                json["seccomp"] = true.into();
            }
            serde_json::from_value(json).unwrap()
        };
        assert!(require_filter(&process(true), true).is_ok());
        assert!(require_filter(&process(false), false).is_ok());
        let failure = require_filter(&process(true), false).unwrap_err();
        assert_eq!(failure.to_string(), "confine the process (/linux/seccomp): its filter of system calls is missing");
    }
}
