//! The conversation between the process that creates a container (or starts it) and the container's init.
//!
//! ```text
//! creator                         init                     over a socket pair
//!   Plan, and the tasks files of its v1 cgroups by SCM_RIGHTS
//!                      ->           joins them, sets up the container
//!                      <-           Terminal, then the master by SCM_RIGHTS   (process.terminal)
//!                      <-           Hooks             (the mounts stand, before the pivot)
//!   Continue           ->           goes on, createContainer hooks first
//!                      <-           Schedule          (process.scheduler, ioPriority)
//!   Continue           ->           goes on
//!                      <-           Limits            (in a user namespace)
//!   Continue           ->           sets up the process
//!                      <-           Listener          (its seccomp filter asks somebody)
//!   Continue           ->           goes on
//!                      <-           Ready             (or Failed at any moment)
//!   Release            ->           waits at the gate; with Gate::Channel goes on, and the creator is the starter
//! starter
//!   Start              ->           over the gate socket
//!                      <-           Notify, then the socket by SCM_RIGHTS     (the creator's NOTIFY_SOCKET)
//!                                   startContainer hooks, exec
//!                      <-           Executing, then end of file: the program runs; or Failed
//!
//! exec                            the process that is brought in
//!   Exec, and by SCM_RIGHTS a pidfd of the container's init, its root where that is entered, the tasks files of its v1 cgroups
//!                      ->           joins cgroups and namespaces, becomes the container's user; as above: Terminal, Limits
//!                      <-           Crowded           (pids.max leaves room for one process alone)
//!   Continue           ->           outside of that cgroup now, tries again; its child is moved into it
//!                      <-           Forked            (a pid namespace is for children; that process says so and ends)
//!   Continue           ->           its child goes on; as above: Schedule, Listener, Ready, Release, Executing
//!
//! mounts                          the process that joins
//!   Mounts, and by SCM_RIGHTS a pidfd of the container's init, its root where that is entered
//!                      ->           joins namespaces (Forked as above), mounts or unmounts
//!                      <-           Ready, all is done; or Failed, nothing is
//! ```
//! Every message is a 32-bit native-endian length and that many bytes of JSON.

use std::borrow::Cow;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use tsrunc_plan::container::{ExecAffinity, MountPoint, Namespace, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_plan::operation::{Hook, Operation};
use tsrunc_sys::errno::During;

use crate::descriptors;

/// No plan that fits into a 16 MiB config.json is longer; a longer message is a broken peer.
const MAX_MESSAGE_BYTES: u32 = 64 << 20;

/// What the first message says of any process. Descriptors are given by their numbers: the process inherits them.
#[derive(Serialize, Deserialize)]
pub struct Launch<'a> {
    pub process: Cow<'a, Process>,
    /// The creator sets the resource limits then: it may raise them.
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
    /// Joined in this order. The spawn joined the user and pid namespaces, and those that the container's user namespace does not own.
    pub join: Vec<(Namespace, i32)>,
    /// Made after the cgroups are joined: a cgroup namespace's root is the cgroup of its maker.
    pub new_cgroup_namespace: bool,
    /// A new time namespace was unshared: with clock offsets, which must be set before anybody enters it.
    pub enter_time_namespace: bool,
    /// The uid and gid maps that the joined user namespace must have, where config.json gives them too.
    pub expected_maps: Option<(Vec<IdMapping>, Vec<IdMapping>)>,
    pub operations: Cow<'a, [Operation]>,
    pub start_container_hooks: Cow<'a, [Hook]>,
    /// Detached clones of bind sources: index of the operation, descriptor.
    pub lent_mounts: Vec<(usize, i32)>,
    /// Files for stdout and stderr of hooks.
    #[serde(default)]
    pub hook_output: [Option<i32>; 2],
    /// The container's notify socket, which the starter gets.
    #[serde(default)]
    pub notify: Option<i32>,
}

/// The first message to a process that is brought into a container.
#[derive(Serialize, Deserialize)]
pub struct ExecStart<'a> {
    pub launch: Launch<'a>,
    /// Namespaces of the container's first process to join.
    pub namespaces: Cow<'a, [Namespace]>,
    /// The root of that process comes with the message and is entered by chroot(2).
    pub chroot: bool,
    /// The last of the files that it joins cgroups by is that of a cgroup below the one before, for the case that this one takes no process.
    pub spare_cgroup: bool,
    pub terminal_size: Option<[u16; 2]>,
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    pub affinity: Cow<'a, Option<ExecAffinity>>,
}

/// The first message to a process that changes the mounts of a container.
#[derive(Serialize, Deserialize)]
pub struct MountsStart<'a> {
    /// Namespaces of the container's first process to join.
    pub namespaces: Cow<'a, [Namespace]>,
    /// The root of that process comes with the message and is entered by chroot(2).
    pub chroot: bool,
    pub add: Cow<'a, [Operation]>,
    /// Detached clones of bind sources: index of the operation, descriptor.
    pub lent_mounts: Vec<(usize, i32)>,
    pub remove: Cow<'a, [MountPoint]>,
}

/// A filter of system calls.
#[derive(Serialize, Deserialize)]
pub struct SeccompFilter {
    pub program: Vec<tsrunc_sys::seccomp::Instruction>,
    /// Of seccomp(2).
    pub flags: u32,
}

/// # Errors
/// The plan says that the program has a filter, and none came: it would run unconfined.
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
    /// None: `Release` is the start, too.
    Channel,
}

/// Who gets the terminal's master.
#[derive(Serialize, Deserialize)]
pub enum Console {
    None,
    /// To a connected socket (`--console-socket`).
    Socket(i32),
    /// The creator.
    Channel,
}

#[derive(Serialize, Deserialize)]
pub enum FromInit {
    /// The pid of the process that goes on with this conversation; the one that says so ends.
    Forked(i32),
    /// It could not make that process, perhaps because the container's limit of processes leaves no room for both. It tries once more when it goes on.
    Crowded(Failure),
    /// The terminal's master follows as one byte with SCM_RIGHTS.
    Terminal,
    Hooks,
    /// It is time to set the resource limits.
    Limits,
    /// It is time to carry the `Schedule` operations out.
    Schedule,
    /// The filter is loaded, and this descriptor of the init is its listener. Not sent by SCM_RIGHTS: the filter may ask about
    /// sendmsg(2), and nobody could answer yet.
    Listener(i32),
    Ready,
    /// The notify socket follows with SCM_RIGHTS.
    Notify,
    /// The exec comes now.
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

/// A message out of turn.
pub fn unexpected(expected: &str) -> Failure {
    Failure::new(FailureCode::Other, "wait for the creator", format!("it did not send {expected}"))
}

/// One end of the conversation.
pub struct Channel(std::os::unix::net::UnixStream);

impl Channel {
    pub fn new(socket: OwnedFd) -> Self {
        Channel(socket.into())
    }

    pub fn socket(&self) -> &std::os::unix::net::UnixStream {
        &self.0
    }

    /// # Errors
    /// The errno of write(2): the peer is gone.
    pub fn send(&self, message: &impl Serialize) -> Result<(), Failure> {
        self.send_with(message, &[])
    }

    /// Sends a message whose first byte carries descriptors.
    ///
    /// # Errors
    /// The errno of sendmsg(2): the peer is gone.
    pub fn send_with(&self, message: &impl Serialize, fds: &[OwnedFd]) -> Result<(), Failure> {
        let mut bytes = vec![0; 4];
        serde_json::to_writer(&mut bytes, message).map_err(|error| Failure::new(FailureCode::Other, "encode message", error.to_string()))?;
        let length = u32::try_from(bytes.len() - 4).map_err(|_| Failure::new(FailureCode::Other, "encode message", "too long"))?;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        descriptors::send(&self.0, &bytes, &fds).during(|| "send to the other side of the start gate".into())
    }

    /// Tells the creator that something of its own is due, and waits until it has done it.
    ///
    /// # Errors
    /// The creator is gone, or answers out of turn.
    pub fn ask(&self, message: &FromInit) -> Result<String, Failure> {
        self.send(message)?;
        match self.receive()? {
            Some(ToInit::Continue { state }) => Ok(state),
            _ => Err(unexpected("to go on")),
        }
    }

    /// The next message; None at the end of the conversation.
    ///
    /// # Errors
    /// A read that fails, a message cut short or not understood.
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

    /// The next message and the descriptors that it carries.
    ///
    /// # Errors
    /// As of `receive`; the end of the conversation; descriptors that this process may not have.
    pub fn receive_with<M: DeserializeOwned>(&self) -> Result<(M, Vec<OwnedFd>), Failure> {
        let during = || "receive from the other side of the start gate".to_owned();
        let mut length = [0; 4];
        let (count, fds) = descriptors::receive(&self.0, &mut length).during(during)?;
        if count != length.len() {
            return Err(unexpected("a message"));
        }
        Ok((self.receive_rest(length)?, fds))
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
    fn a_process_whose_filter_is_missing_is_refused() {
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
