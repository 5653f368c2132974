//! systemd's readiness protocol (sd_notify(3)) for a container. The container gets a socket of ours, and only `READY=` is forwarded to the host's
//! socket: with other messages a container could pretend to be its runtime.
//!
//! The socket is `notify.sock` in the container's state directory. It is bind-mounted as a single file, so a container that remounts it writable
//! cannot create files next to it. The init keeps its descriptor after `create` and passes it to `start`.

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
/// How long systemd may take to read all messages (sd_notify_barrier(3)).
const BARRIER: Duration = Duration::from_secs(30);

/// The container's notify socket.
pub struct Proxy {
    socket: OwnedFd,
    host: SocketAddrUnix,
}

impl Proxy {
    /// Makes the socket. `host_socket` is the caller's NOTIFY_SOCKET: a path, or an abstract name after `@`.
    pub fn bind(lock: &Lock, host_socket: &str) -> Result<Proxy, Failure> {
        let during = || format!("make socket \"{}/{SOCKET}\"", lock.path());
        let host = address(host_socket)?;
        let socket = datagrams(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).during(during)?;
        // By descriptor, because the path may exceed sun_path.
        let path = format!("/proc/self/fd/{}/{SOCKET}", lock.dir_fd().as_raw_fd());
        bind(&socket, &SocketAddrUnix::new(&*path).during(during)?).during(during)?;
        // The container's user may have any uid. Other users of the host cannot reach the socket, because the state directory has mode 0700.
        rustix::fs::chmodat(lock.dir_fd(), SOCKET, Mode::from_raw_mode(0o777), AtFlags::empty()).during(during)?;
        Ok(Proxy { socket, host })
    }

    /// Takes over the socket that the init has kept since `bind`.
    pub fn resume(socket: OwnedFd, host_socket: &str) -> Result<Proxy, Failure> {
        Ok(Proxy { socket, host: address(host_socket)? })
    }

    /// Readable when the container has sent something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Forwards pending `READY=` messages, ignoring failures: in the foreground the container runs on without a service manager.
    pub fn forward(&self) {
        for line in self.take_ready() {
            if let Err(_gone) = self.connect().and_then(|host| send_line(&host, &line)) {}
        }
    }

    /// Waits until the container is ready or its process has exited, for a caller that then exits itself. When it is ready, sends its `READY=` and
    /// the process's pid (`MAINPID=`) to the host's socket, and waits until they are read.
    ///
    /// Returns false if the container's process exited first.
    ///
    /// # Errors
    /// The messages cannot be sent to the host's socket.
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

    /// Receives pending messages and returns their `READY=` lines.
    fn take_ready(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = vec![0u8; MAX_MESSAGE_BYTES];
        // Without a control buffer the kernel closes descriptors sent with a message.
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

/// Sends the end of a pipe as the last message and waits until the receiver closes it (sd_notify_barrier(3)). A receiver that does not know the
/// message closes it too.
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
    fn forwards_only_ready() {
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
    fn sends_the_pid_and_waits_until_it_is_read() {
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
    fn stops_waiting_when_the_process_exits() {
        let temp = TempDir::new();
        let (_lock, mut proxy, _container, _host) = set_up(&temp);
        let mut child = std::process::Command::new("sleep").arg("0.05").spawn().unwrap();
        let pid = child.id() as i32;
        let process = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid).unwrap() };
        assert!(!proxy.await_ready(&process).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn resumes_with_a_kept_socket_which_is_removed_with_the_directory() {
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
