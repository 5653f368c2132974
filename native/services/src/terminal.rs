//! Copies bytes and the window size between the caller's terminal (or whatever its standard streams are) and the container's. Never blocks: the
//! loop in foreground.rs waits.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use crate::reactor::{Copier, Descriptor, Interest, Key, Pulled, Reactor};

/// More than the kernel buffers for a terminal, so everything that was written before the exit is included.
const MAX_DRAIN_BYTES: usize = 1 << 20;
/// How often to check whether a terminal that all processes had closed was opened again. There is no event for that.
const REOPEN_CHECK: Duration = Duration::from_millis(100);

/// Fails if the caller has no terminal, as runc does.
pub fn find() -> Result<(), Failure> {
    if isatty(stdin()) || isatty(stdout()) || isatty(stderr()) {
        return Ok(());
    }
    // All streams are redirected, but there may be a controlling terminal.
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).map(drop).during(|| "open \"/dev/tty\"".into()).map_err(|failure| Failure {
        cause: format!("{}: /process/terminal needs a terminal of the caller, or --detach with --console-socket", failure.cause),
        ..failure
    })
}

/// Prepares the container's terminal before its program runs: sets the caller's window size and, unless stdin and stdout are the caller's
/// terminal, turns off ONLCR. Only a raw terminal (`Terminal::new`) needs "\r\n"; a file should get plain "\n", and a terminal that is not raw
/// converts it itself.
pub fn prepare(master: &OwnedFd) -> Result<(), Failure> {
    copy_size(master);
    if isatty(stdin()) && isatty(stdout()) {
        return Ok(());
    }
    let during = || "set the container's terminal".to_owned();
    let mut settings = tcgetattr(master).during(during)?;
    settings.output_modes.remove(OutputModes::ONLCR);
    tcsetattr(master, OptionalActions::Now, &settings).during(during)
}

/// Copies the window size of the caller's terminal, if there is one, to the container's.
fn copy_size(master: impl AsFd) {
    let Some(caller) = [stdin(), stdout(), stderr()].into_iter().find(|stream| isatty(stream)) else { return };
    // A terminal that was hung up has no size.
    if let Ok(size) = tcgetwinsize(caller) {
        if let Err(_hung_up) = tcsetwinsize(master, size) {}
    }
}

/// A descriptor to copy from or to, or a timer.
#[derive(Clone, Copy)]
pub enum End {
    /// The container's terminal.
    Master,
    Stdin,
    Stdout,
    /// The timer that checks whether the container's terminal was opened again.
    Reopened,
}

/// The caller's terminal and the container's. Dropping it restores the caller's terminal.
pub struct Terminal {
    master: Descriptor<'static>,
    /// No process has the container's end open. Another one may open it later.
    hung_up: bool,
    /// The timer of `End::Reopened`.
    next_check: Option<Key>,
    /// The container's process has exited.
    draining: bool,
    drained_bytes: usize,
    stdin_open: bool,
    /// From stdin to the container.
    input: Copier<'static>,
    /// From the container to stdout.
    output: Copier<'static>,
    keys: Keys,
    _raw_mode: Option<RawMode>,
}

struct Keys {
    master: Key,
    stdin: Key,
    stdout: Key,
}

impl Terminal {
    /// Makes the caller's terminal raw, copies its window size, and adds the descriptors to the reactor, with no interest yet.
    pub fn new<T: Copy + From<End>>(master: OwnedFd, reactor: &mut Reactor<'_, T>) -> Result<Self, Failure> {
        rustix::io::ioctl_fionbio(&master, true).during(|| "make the terminal's master non-blocking".into())?;
        let stdout = Descriptor::from(own_stdout().during(|| "open stdout".into())?);
        let (master, stdin) = (Descriptor::from(master), Descriptor::from(stdin()));
        let mut watch = |fd: &Descriptor<'static>, end: End| reactor.watch(fd.clone(), Interest::NONE, end.into()).during(|| "watch the terminal".into());
        let keys = Keys { master: watch(&master, End::Master)?, stdin: watch(&stdin, End::Stdin)?, stdout: watch(&stdout, End::Stdout)? };
        let raw_mode = if isatty(&stdin) { Some(RawMode::enter().during(|| "make the terminal raw".into())?) } else { None };
        copy_size(&master);
        Ok(Terminal {
            hung_up: false,
            next_check: None,
            draining: false,
            drained_bytes: 0,
            stdin_open: true,
            input: Copier::new(stdin, master.clone()),
            output: Copier::new(master.clone(), stdout),
            master,
            keys,
            _raw_mode: raw_mode,
        })
    }

    pub fn copy_size(&self) {
        copy_size(&self.master);
    }

    /// Makes the reactor wait for the descriptors that can be read or written now.
    pub fn set_interests<T: Copy + From<End>>(&mut self, reactor: &mut Reactor<'_, T>) -> Result<(), Errno> {
        let is_open = !self.hung_up && !self.draining;
        let master = Interest { read: is_open && !self.output.is_writing(), write: is_open && self.input.is_writing(), ..Interest::NONE };
        let stdin = Interest { read: is_open && self.stdin_open && !self.input.is_writing(), ..Interest::NONE };
        let stdout = Interest { write: self.output.is_writing(), ..Interest::NONE };
        for (key, interest) in [(self.keys.master, master), (self.keys.stdin, stdin), (self.keys.stdout, stdout)] {
            reactor.set_interest(key, interest)?;
        }
        if self.hung_up && !self.draining && self.next_check.is_none() {
            self.next_check = Some(reactor.at(Instant::now() + REOPEN_CHECK, End::Reopened.into()));
        }
        Ok(())
    }

    /// Copies what is available at an end.
    pub fn advance(&mut self, end: End) {
        match end {
            End::Master => {
                self.input.push();
                self.read_output();
            }
            End::Stdin => self.read_input(),
            End::Stdout => self.output.push(),
            End::Reopened => {
                self.next_check = None;
                self.read_output();
            }
        }
    }

    /// Reads the rest of the container's output, `MAX_DRAIN_BYTES` at most, because other processes of the container may keep writing. Returns
    /// true while there is output that stdout does not accept yet.
    pub fn drain(&mut self) -> bool {
        self.draining = true;
        while !self.output.is_writing() && self.drained_bytes < MAX_DRAIN_BYTES {
            match self.output.pull() {
                Pulled::Bytes(count) => self.drained_bytes += count,
                Pulled::Nothing | Pulled::End | Pulled::Failed(_) => break,
            }
        }
        self.output.is_writing()
    }

    /// A non-blocking read also returns bytes that are still in the kernel's queue (n_tty_read flushes the port's work), so everything written
    /// before is included.
    fn read_output(&mut self) {
        if !self.output.is_writing() {
            self.hung_up = matches!(self.output.pull(), Pulled::End | Pulled::Failed(_));
            // EIO: no process has the other end open
        }
    }

    fn read_input(&mut self) {
        if let Pulled::End | Pulled::Failed(_) = self.input.pull() {
            self.stdin_open = false;
            self.end_input();
        }
    }

    /// Sends the container an end of file the way a user at a terminal does, with the terminal's EOF character (termios(3), VEOF). In the middle of
    /// a line it takes two: the first only flushes the line.
    fn end_input(&mut self) {
        let Ok(settings) = tcgetattr(&self.master) else { return };
        if settings.local_modes.contains(LocalModes::ICANON) {
            let end_of_file = settings.special_codes[SpecialCodeIndex::VEOF];
            let twice = [end_of_file; 2];
            self.input.append(if self.input.is_in_line() { &twice } else { &twice[..1] });
        }
    }
}

/// Opens stdout again, non-blocking, if it is a terminal, which may be stopped (^S). Setting the flag on the caller's open file description would
/// affect the caller's shell too. Anything else is duplicated as it is.
fn own_stdout() -> Result<OwnedFd, Errno> {
    if isatty(stdout()) {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Fails for another user's terminal (su(1)).
        if let Ok(own) = rustix::fs::open("/proc/self/fd/1", flags, Mode::empty()) {
            return Ok(own);
        }
    }
    rustix::io::fcntl_dupfd_cloexec(stdout(), 3)
}

/// Keeps the terminal on stdin in raw mode until dropped.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> Result<Self, Errno> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        if !isatty(stdout()) {
            // The program that reads our output may write to this terminal.
            raw.output_modes = before.output_modes;
        }
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(RawMode { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that was hung up has no mode to restore.
        if let Err(_hung_up) = tcsetattr(stdin(), OptionalActions::Now, &self.before) {}
    }
}
