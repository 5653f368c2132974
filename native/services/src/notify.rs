//! systemd's readiness protocol through the container's wall (sd_notify(3)): a socket of ours in the container, of whose
//! messages `READY=` alone is passed on to the host's socket. Others would let a container speak for its runtime.
//!
//! The socket is `notify.sock` in the container's state directory, bound into the container as a file of its own: a container that makes
//! the mount writable can put nothing beside it. The socket outlives `create` as a descriptor of the init, which hands it to `start`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use rustix::net::{bind, connect, recv, send, socket_with, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::{pipe_with, PipeFlags};
use tsrunc_common::descriptors;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::request::ProcessIdentity;
use tsrunc_sys::errno::During;

use crate::processes;
use crate::store::Lock;

const SOCKET: &str = "notify.sock";
const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// How long systemd may take to have read everything (sd_notify_barrier(3)).
const BARRIER: Duration = Duration::from_secs(30);

/// The container's notify socket.
pub struct Proxy {
    socket: OwnedFd,
    host: SocketAddrUnix,
}

impl Proxy {
    /// Makes the socket. `host_socket`: the caller's NOTIFY_SOCKET, a path or `@` and an abstract name.
    pub fn bind(lock: &Lock, host_socket: &str) -> Result<Proxy, Failure> {
        let during = || format!("make socket \"{}/{SOCKET}\"", lock.path());
        let host = address(host_socket)?;
        let socket = datagrams(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).during(during)?;
        // By descriptor: a path of the state root may exceed sun_path.
        let path = format!("/proc/self/fd/{}/{SOCKET}", lock.dir_fd().as_raw_fd());
        bind(&socket, &SocketAddrUnix::new(&*path).during(during)?).during(during)?;
        // The container's user may be any; nobody else reaches it, through a state directory of mode 0700.
        rustix::fs::chmodat(lock.dir_fd(), SOCKET, Mode::from_raw_mode(0o777), AtFlags::empty()).during(during)?;
        Ok(Proxy { socket, host })
    }

    /// Goes on with the socket that an init kept since `bind`.
    pub fn resume(socket: OwnedFd, host_socket: &str) -> Result<Proxy, Failure> {
        Ok(Proxy { socket, host: address(host_socket)? })
    }

    /// Readable when the container has sent something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Passes `READY=` messages on that came. For a caller that stays: a service manager that is gone is no reason to
    /// leave the container.
    pub fn forward(&mut self) {
        for line in self.take_ready() {
            if let Err(_gone) = self.connect().and_then(|host| send_line(&host, &line)) {}
        }
    }

    /// Waits until the container is ready or has ended; for a caller that leaves it. Then the host's socket gets
    /// `READY=1` and the pid of the container's process as `MAINPID=`, and is waited for until it has read them.
    ///
    /// Returns false when the container's process ended first.
    ///
    /// # Errors
    /// A host's socket that takes no messages.
    pub fn await_ready(&mut self, process: &ProcessIdentity) -> Result<bool, Failure> {
        let Some(pidfd) = processes::open(process)? else { return Ok(false) };
        loop {
            let mut watched = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            match poll(&mut watched, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).during(|| "wait for the container's READY=1".into()),
            }
            let has_ended = !watched[1].revents().is_empty();
            if let Some(line) = self.take_ready().into_iter().next() {
                self.announce(&line, process.pid).during(|| "notify the service manager".into())?;
                return Ok(true);
            }
            if has_ended {
                return Ok(false);
            }
        }
    }

    /// The `READY=` lines of the messages that came.
    fn take_ready(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = vec![0u8; MAX_MESSAGE_BYTES];
        // Descriptors that came along are not asked for, so the kernel closes them.
        while let Ok((count, _)) = recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            lines.extend(ready_line(&buffer[..count]));
        }
        lines
    }

    fn connect(&self) -> Result<OwnedFd, Errno> {
        let host = datagrams(SocketFlags::CLOEXEC)?;
        connect(&host, &self.host)?;
        Ok(host)
    }

    fn announce(&self, ready: &str, pid: i32) -> Result<(), Errno> {
        let host = self.connect()?;
        send_line(&host, ready)?;
        send_line(&host, &format!("MAINPID={pid}"))?;
        barrier(&host)
    }
}

fn datagrams(flags: SocketFlags) -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}

fn address(text: &str) -> Result<SocketAddrUnix, Failure> {
    let address = match text.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
        None => SocketAddrUnix::new(text),
    };
    address.during(|| format!("use NOTIFY_SOCKET {text:?}"))
}

fn send_line(host: &OwnedFd, line: &str) -> Result<(), Errno> {
    send(host, format!("{line}\n").as_bytes(), SendFlags::NOSIGNAL).map(drop)
}

fn ready_line(message: &[u8]) -> Option<String> {
    std::str::from_utf8(message).ok()?.lines().find(|line| line.starts_with("READY=")).map(str::to_owned)
}

/// Waits until the receiver closes a pipe's end that it got behind everything else (sd_notify_barrier(3)). One that does not
/// know the message closes it as well.
fn barrier(host: &OwnedFd) -> Result<(), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    descriptors::send(host, b"BARRIER=1", &[write.as_fd()])?;
    drop(write);
    let deadline = Instant::now() + BARRIER;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&read, PollFlags::empty())], Some(&timeout)) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{reserve, Reservation};
    use crate::testing::{record, TempDir};
    use std::os::unix::net::UnixDatagram;

    /// A proxy, the container's end of it, and the host's socket.
    fn set_up(temp: &TempDir) -> (Lock, Proxy, UnixDatagram, UnixDatagram) {
        let host_path = format!("{}/host", temp.path());
        let host = UnixDatagram::bind(&host_path).unwrap();
        host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let root = format!("{}/root", temp.path());
        let lock = reserve(&Reservation { root: &root, root_mode: 0o700, record: &record("c"), endable: false }).unwrap();
        let proxy = Proxy::bind(&lock, &host_path).unwrap();
        let container = UnixDatagram::unbound().unwrap();
        container.connect(format!("{root}/c/notify.sock")).unwrap();
        (lock, proxy, container, host)
    }

    fn next(host: &UnixDatagram) -> String {
        let mut buffer = [0u8; 256];
        let count = host.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    #[test]
    fn passes_on_ready_alone() {
        let temp = TempDir::new();
        let (lock, mut proxy, container, host) = set_up(&temp);
        for message in ["MAINPID=1", "STATUS=x\nREADY=1\nMAINPID=1", "STOPPING=1"] {
            container.send(message.as_bytes()).unwrap();
        }
        proxy.forward();
        assert_eq!(next(&host), "READY=1\n");
        host.set_nonblocking(true).unwrap();
        assert!(host.recv(&mut [0]).is_err());
        crate::store::remove(&lock).unwrap();
    }

    #[test]
    fn tells_the_pid_and_waits_until_it_is_read() {
        let temp = TempDir::new();
        let (_lock, mut proxy, container, host) = set_up(&temp);
        let pid = std::process::id() as i32;
        let process = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid).unwrap() };
        container.send(b"READY=1").unwrap();
        let reader = std::thread::spawn(move || [next(&host), next(&host), next(&host)]);
        assert!(proxy.await_ready(&process).unwrap());
        assert_eq!(reader.join().unwrap(), ["READY=1\n".to_owned(), format!("MAINPID={pid}\n"), "BARRIER=1".into()]);
    }

    #[test]
    fn does_not_wait_for_what_has_ended() {
        let temp = TempDir::new();
        let (_lock, mut proxy, _container, _host) = set_up(&temp);
        let mut child = std::process::Command::new("sleep").arg("0.05").spawn().unwrap();
        let pid = child.id() as i32;
        let process = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid).unwrap() };
        assert!(!proxy.await_ready(&process).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn goes_on_with_a_socket_that_was_kept_and_goes_with_the_directory() {
        let temp = TempDir::new();
        let (lock, proxy, container, host) = set_up(&temp);
        let kept = proxy.socket;
        container.send(b"READY=1").unwrap();
        Proxy::resume(kept, &format!("{}/host", temp.path())).unwrap().forward();
        assert_eq!(next(&host), "READY=1\n");
        crate::store::remove(&lock).unwrap();
        assert_eq!(std::fs::read_dir(format!("{}/root", temp.path())).unwrap().count(), 0);
    }
}
