//! The caller's terminal (or whatever its standard streams are) and the container's, with bytes and window size copied
//! between them. Nothing here waits: the loop in foreground.rs does.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use crate::foreground::Source;
use crate::reactor::{Copier, Descriptor, Interest, Key, Pulled, Reactor};

/// More than the kernel holds for one terminal: what was written before the end is within it.
const MAX_DRAIN_BYTES: usize = 1 << 20;
/// How often to look whether a terminal that was closed in the container was opened again: no descriptor tells.
const REOPEN_CHECK: Duration = Duration::from_millis(100);

/// Fails where the caller has no terminal, as runc does.
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

/// Prepares the container's terminal before its program runs: the caller's window size, and lines that end as in a file where the output
/// does not go to a terminal that is made raw (`Terminal::new`). One that is not ends lines by itself.
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

/// Gives the container's terminal the window size of the caller's, if it has one.
fn copy_size(master: impl AsFd) {
    let Some(caller) = [stdin(), stdout(), stderr()].into_iter().find(|stream| isatty(stream)) else { return };
    // A terminal that was hung up has no size to give or to take.
    if let Ok(size) = tcgetwinsize(caller) {
        if let Err(_hung_up) = tcsetwinsize(master, size) {}
    }
}

/// An end that bytes come from or go to.
#[derive(Clone, Copy)]
pub enum End {
    /// The container's terminal.
    Master,
    Stdin,
    Stdout,
    /// No descriptor: it is time to look whether the container's terminal was opened again.
    Reopened,
}

/// Both terminals. The caller's is restored when this value is dropped.
pub struct Terminal {
    master: Descriptor<'static>,
    /// No process has the container's end open; another one may open it again.
    hung_up: bool,
    /// Timer of `End::Reopened`.
    next_check: Option<Key>,
    /// The container's process has ended.
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
    /// Takes the caller's terminal over: raw mode and window size. Its ends join the reactor, without interest yet.
    pub fn new(master: OwnedFd, reactor: &mut Reactor<'_, Source>) -> Result<Self, Failure> {
        rustix::io::ioctl_fionbio(&master, true).during(|| "make the terminal's master non-blocking".into())?;
        let stdout = Descriptor::from(own_stdout().during(|| "open stdout".into())?);
        let (master, stdin) = (Descriptor::from(master), Descriptor::from(stdin()));
        let mut watch = |fd: &Descriptor<'static>, end| reactor.watch(fd.clone(), Interest::NONE, Source::Terminal(end)).during(|| "watch the terminal".into());
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

    /// Has the reactor wait for what can go on.
    pub fn set_interests(&mut self, reactor: &mut Reactor<'_, Source>) -> Result<(), Errno> {
        let is_open = !self.hung_up && !self.draining;
        let master = Interest { read: is_open && !self.output.is_writing(), write: is_open && self.input.is_writing(), ..Interest::NONE };
        let stdin = Interest { read: is_open && self.stdin_open && !self.input.is_writing(), ..Interest::NONE };
        let stdout = Interest { write: self.output.is_writing(), ..Interest::NONE };
        for (key, interest) in [(self.keys.master, master), (self.keys.stdin, stdin), (self.keys.stdout, stdout)] {
            reactor.set_interest(key, interest)?;
        }
        if self.hung_up && !self.draining && self.next_check.is_none() {
            self.next_check = Some(reactor.at(Instant::now() + REOPEN_CHECK, Source::Terminal(End::Reopened)));
        }
        Ok(())
    }

    /// Copies what is there at an end.
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

    /// Takes the rest of what the container wrote, up to `MAX_DRAIN_BYTES`: its other processes may write on and on, and are not waited for.
    /// Returns true while stdout has to take some of it first.
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

    /// A non-blocking read also gets what the kernel still has on its way (n_tty_read flushes the port's work), so nothing that was written
    /// comes later.
    fn read_output(&mut self) {
        if !self.output.is_writing() {
            self.hung_up = matches!(self.output.pull(), Pulled::End | Pulled::Failed(_));
            // EIO: nobody has the other end open
        }
    }

    fn read_input(&mut self) {
        if let Pulled::End | Pulled::Failed(_) = self.input.pull() {
            self.stdin_open = false;
            self.end_input();
        }
    }

    /// Tells the container that no more comes, as somebody at a terminal does: by its end-of-file character (termios(3), VEOF). In the middle of
    /// a line the first one only hands over the line.
    fn end_input(&mut self) {
        let Ok(settings) = tcgetattr(&self.master) else { return };
        if settings.local_modes.contains(LocalModes::ICANON) {
            let end_of_file = settings.special_codes[SpecialCodeIndex::VEOF];
            let twice = [end_of_file; 2];
            self.input.append(if self.input.is_in_line() { &twice } else { &twice[..1] });
        }
    }
}

/// stdout that never blocks, if it is a terminal (which may be stopped, ^S), by an open file description of our own: the flag
/// of the caller's would be the caller's shell's as well. Anything else as it is.
fn own_stdout() -> Result<OwnedFd, Errno> {
    if isatty(stdout()) {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Refused for a terminal of another user (su(1)).
        if let Ok(own) = rustix::fs::open("/proc/self/fd/1", flags, Mode::empty()) {
            return Ok(own);
        }
    }
    rustix::io::fcntl_dupfd_cloexec(stdout(), 3)
}

/// Raw mode of the terminal on stdin, while the value lives.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> Result<Self, Errno> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        if !isatty(stdout()) {
            // What reads our output may write to this terminal.
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
