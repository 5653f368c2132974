//! One run of `criu swrk`: its process and the messages exchanged with it.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use prost::Message;
use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use rustix::process::{pidfd_open, waitid, Pid, PidfdFlags, WaitId, WaitIdOptions};
use tsrunc_common::descriptors;
use tsrunc_plan::criu::{CriuRequest, CriuResponse};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::command::{spawn, Command};
use tsrunc_sys::errno::{os_failure, During};

use crate::gate;
use crate::interrupts::{wait_readable, Interrupt};
use crate::pending::Pending;
use crate::processes;

/// Each message is one packet. The longest ones contain an error message.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A running CRIU. It is killed when this value is dropped.
pub struct Session {
    pid: i32,
    /// None once it is reaped.
    pidfd: Option<OwnedFd>,
    socket: OwnedFd,
    /// CRIU opens these through /proc/PID/fd of our process.
    directories: Vec<OwnedFd>,
    /// Numbers of the descriptors that CRIU has inherited.
    inherited: Vec<i32>,
    /// The master of a restored terminal, if it was outside of the container.
    master: Option<OwnedFd>,
}

impl Session {
    /// Starts CRIU. It inherits no other descriptors than those given. `stdio`: it uses our standard streams, else /dev/null.
    ///
    /// # Errors
    /// `NotFound` if there is no criu in PATH; a path that cannot be opened.
    pub fn start(stdio: bool, directories: &[String], inherit: &[String]) -> Result<Self, Failure> {
        let path = find_program()?;
        let open = |path: &String, flags: OFlags| rustix::fs::open(path.as_str(), flags | OFlags::CLOEXEC, Mode::empty()).during(|| format!("open {path:?}"));
        let directories = directories.iter().map(|path| open(path, OFlags::RDONLY | OFlags::DIRECTORY)).collect::<Result<Vec<_>, _>>()?;
        let inherit = inherit.iter().map(|path| open(path, OFlags::RDONLY)).collect::<Result<Vec<_>, _>>()?;
        let during = || format!("execute {path:?}");
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).during(during)?;
        let null = open(&"/dev/null".to_owned(), OFlags::RDWR)?;
        let [input, output, error] = [0, 1, 2].map(|number| stream(number, stdio).unwrap_or(null.as_fd()));
        let args = [c"criu".to_owned(), c"swrk".to_owned(), number(theirs.as_raw_fd())];
        let env: Vec<CString> = std::env::vars_os().filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()).collect();
        let inherited: Vec<BorrowedFd<'_>> = inherit.iter().chain([&theirs]).map(AsFd::as_fd).collect();
        let command =
            Command { path: &path, args: &args, env: &env, directory: None, input, output, error, inherit: Some(&inherited), open_files: None, filter: None };
        let pid = spawn(&command).map_err(|failed| Failure { code: FailureCode::Exec, ..os_failure(during(), failed.errno) })?;
        // The pid cannot have been reused, because our child has not been reaped.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).during(during)?;
        let inherited = inherit.iter().map(AsRawFd::as_raw_fd).collect();
        Ok(Session { pid: pid.as_raw_nonzero().get(), pidfd: Some(pidfd), socket: ours, directories, inherited, master: None })
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Descriptor numbers of the directories, in this process.
    pub fn directories(&self) -> Vec<i32> {
        self.directories.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// Numbers of the inherited descriptors, in CRIU's process.
    pub fn inherited(&self) -> Vec<i32> {
        self.inherited.clone()
    }

    /// Sends a message and waits for CRIU's next one. Keeps the master of a terminal that comes with it.
    ///
    /// # Errors
    /// CRIU has exited; `Interrupted`.
    pub fn call(&mut self, request: &CriuRequest, interrupt: Interrupt<'_>) -> Result<CriuResponse, Failure> {
        descriptors::send(&self.socket, &request.encode_to_vec(), &[]).during(|| "send a message to CRIU".into())?;
        wait_readable(self.socket.as_fd(), interrupt, "CRIU")?;
        let during = || "receive a message of CRIU".to_owned();
        let mut bytes = vec![0; MAX_MESSAGE_BYTES];
        let (count, fds) = descriptors::receive(&self.socket, &mut bytes).during(during)?;
        if count == 0 {
            return Err(Failure::new(FailureCode::Other, during(), "it has ended"));
        }
        if let Some(master) = fds.into_iter().next() {
            self.master = Some(master);
        }
        CriuResponse::decode(&bytes[..count]).map_err(|error| Failure::new(FailureCode::Other, during(), error.to_string()))
    }

    /// Closes the connection and waits for CRIU to exit. Returns its exit status, or 128 + the signal that killed it.
    pub fn wait(&mut self) -> Result<u32, Failure> {
        let during = || "wait for CRIU".to_owned();
        let pidfd = self.pidfd.take().ok_or_else(|| Failure::new(FailureCode::Other, during(), "it has ended"))?;
        // CRIU waits for EOF.
        rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both).during(during)?;
        let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)).during(during)?;
        let signalled = status.as_ref().and_then(|status| status.terminating_signal()).map(|signal| 128 + signal as u32);
        let code = status.as_ref().and_then(|status| status.exit_status()).map(|code| code as u32);
        signalled.or(code).ok_or_else(|| Failure::new(FailureCode::Other, during(), "it has no status"))
    }

    /// Takes over the restored first process of a container. `foreground`: the caller stays in the foreground and gets the terminal's master.
    ///
    /// # Errors
    /// The process is not a child of ours.
    pub fn adopt(&mut self, pid: i32, foreground: bool, pid_file: Option<String>) -> Result<Pending, Failure> {
        let during = || format!("take over restored process {pid}");
        let number = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or_else(|| Failure::new(FailureCode::BadRequest, during(), "not a pid"))?;
        let pidfd = pidfd_open(number, PidfdFlags::empty()).during(during)?;
        // Fails unless it is an unreaped child of ours.
        waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT).during(during)?;
        let start_time_ticks = processes::start_time(pid)?;
        let mut pending = Pending::new(pid, pidfd);
        pending.identity.start_time_ticks = start_time_ticks;
        pending.master = self.master.take().filter(|_| foreground);
        if let Some(path) = &pid_file {
            crate::files::write_pid_file(path, pid)?;
        }
        pending.pid_file = pid_file;
        Ok(pending)
    }

    /// Sends the terminal's master to a console socket.
    pub fn send_master(&self, path: &str) -> Result<(), Failure> {
        let during = || format!("send the terminal's master to console socket {path:?}");
        let master = self.master.as_ref().ok_or_else(|| Failure::new(FailureCode::NotFound, during(), "CRIU has not sent it"))?;
        descriptors::send_descriptor(gate::connect_to(path, "connect to console socket")?.as_fd(), master.as_fd()).during(during)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.pidfd {
            processes::kill_and_reap(pidfd);
        }
    }
}

/// A standard stream of ours, if it is open and CRIU may use it.
fn stream(number: i32, may_use: bool) -> Option<BorrowedFd<'static>> {
    (may_use && tsrunc_sys::process::is_open(number).is_ok()).then(|| match number {
        0 => rustix::stdio::stdin(),
        1 => rustix::stdio::stdout(),
        _ => rustix::stdio::stderr(),
    })
}

fn number(number: i32) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}

/// The path of `criu`, searched in PATH.
fn find_program() -> Result<CString, Failure> {
    let during = || "find \"criu\" in PATH".to_owned();
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found: Option<PathBuf> = std::env::split_paths(&directories)
        .map(|directory| directory.join("criu"))
        .find(|path| path.is_absolute() && path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok());
    let path = found.ok_or_else(|| os_failure(during(), Errno::NOENT))?;
    CString::new(path.into_os_string().into_vec()).map_err(|error| Failure::new(FailureCode::Other, during(), error.to_string()))
}
