//! systemd's readiness protocol (sd_notify(3)) for a container: it gets a socket of ours, and of its messages only `READY=` is passed on to
//! the host's socket. With others a container could speak for its runtime.
//!
//! The socket is `notify.sock` in the container's state directory, bound into the container as a file of its own: a container that makes
//! the mount writable can put nothing beside it. The socket outlives `create` as a descriptor of the init, which hands it to `start`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use rustix::net::{bind, connect, recv, send, socket_with, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::{pipe_with, PipeFlags};
use tsrunc_common::{descriptors, wait};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::process_identity::ProcessIdentity;
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
        // The container's user may be anybody. Others on the host cannot reach it: the state directory has mode 0700.
        rustix::fs::chmodat(lock.dir_fd(), SOCKET, Mode::from_raw_mode(0o777), AtFlags::empty()).during(during)?;
        Ok(Proxy { socket, host })
    }

    /// Takes over the socket that an init kept since `bind`.
    pub fn resume(socket: OwnedFd, host_socket: &str) -> Result<Proxy, Failure> {
        Ok(Proxy { socket, host: address(host_socket)? })
    }

    /// Readable when the container has sent something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Passes on the `READY=` messages that are there. For a caller that stays with the container, which runs on without a service manager.
    pub fn forward(&self) {
        for line in self.take_ready() {
            if let Err(_gone) = self.connect().and_then(|host| send_line(&host, &line)) {}
        }
    }

    /// Waits until the container is ready or has ended, for a caller that does not stay with it. Then sends `READY=1` and the pid of the
    /// container's process (`MAINPID=`) to the host's socket, and waits until they are read.
    ///
    /// Returns false when the container's process ended first.
    ///
    /// # Errors
    /// The host's socket takes no messages.
    pub fn await_ready(&mut self, process: &ProcessIdentity) -> Result<bool, Failure> {
        let Some(pidfd) = processes::open(process)? else { return Ok(false) };
        loop {
            let mut watched = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            wait::any(&mut watched, None).during(|| "wait for the container's READY=1".into())?;
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

    /// The `READY=` lines of the messages that are there.
    fn take_ready(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = vec![0u8; MAX_MESSAGE_BYTES];
        // The kernel closes descriptors that come along, because no buffer is given for them.
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

/// Sends the end of a pipe behind everything else and waits until the receiver closes it (sd_notify_barrier(3)). A receiver that does not know
/// the message closes it too.
fn barrier(host: &OwnedFd) -> Result<(), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    descriptors::send(host, b"BARRIER=1", &[write.as_fd()])?;
    drop(write);
    match wait::any(&mut [PollFd::new(&read, PollFlags::empty())], Some(Instant::now() + BARRIER))? {
        true => Ok(()),
        false => Err(Errno::TIMEDOUT),
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
        let lock = reserve(&Reservation { root: &root, root_mode: 0o700, record: &record("c"), interruptible: false }).unwrap();
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
        let (lock, proxy, container, host) = set_up(&temp);
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
