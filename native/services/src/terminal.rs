//! The caller's terminal (or whatever its standard streams are) and the container's, with bytes and window size copied
//! between them. Nothing here waits: the loop in foreground.rs does.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

/// A pipe that is writable takes this much without blocking (PIPE_BUF, pipe(7)).
const WRITE_BYTES: usize = 4096;
const READ_BYTES: usize = 16 << 10;
/// More than the kernel holds for one terminal: what was written before the end is within it.
const MAX_DRAIN_BYTES: usize = 1 << 20;

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
fn copy_size(master: &OwnedFd) {
    let Some(caller) = [stdin(), stdout(), stderr()].into_iter().find(|stream| isatty(stream)) else { return };
    // A terminal that was hung up has no size to give or to take.
    if let Ok(size) = tcgetwinsize(caller) {
        if let Err(_hung_up) = tcsetwinsize(master, size) {}
    }
}

/// Both terminals. The caller's is as before when this value is dropped.
pub struct Terminal {
    master: OwnedFd,
    /// Nobody has the container's end open, for now: another of its processes may open it again.
    hung_up: bool,
    drained_bytes: usize,
    input: Input,
    output: Output,
    _raw_mode: Option<RawMode>,
}

struct Input {
    open: bool,
    /// Read and not yet taken by the container, which may be slow.
    pending: Vec<u8>,
    last_byte: u8,
}

struct Output {
    /// None once nobody reads any more: then the container's output is lost, as in a terminal that was closed.
    stream: Option<OwnedFd>,
    pending: Vec<u8>,
}

/// Which of the poll(2) entries that `watch` added were ready.
#[derive(Clone, Copy)]
pub enum Source {
    Master,
    Input,
    Output,
}

impl Terminal {
    /// Takes the caller's terminal over: raw mode and window size.
    pub fn new(master: OwnedFd) -> Result<Self, Failure> {
        rustix::io::ioctl_fionbio(&master, true).during(|| "make the terminal's master non-blocking".into())?;
        let output = own_stdout().during(|| "open stdout".into())?;
        let raw_mode = if isatty(stdin()) { Some(RawMode::enter().during(|| "make the terminal raw".into())?) } else { None };
        copy_size(&master);
        Ok(Terminal {
            master,
            hung_up: false,
            drained_bytes: 0,
            input: Input { open: true, pending: Vec::new(), last_byte: b'\n' },
            output: Output { stream: Some(output), pending: Vec::new() },
            _raw_mode: raw_mode,
        })
    }

    pub fn copy_size(&self) {
        copy_size(&self.master);
    }

    /// True when the loop must look again after a while, because no descriptor will tell.
    pub fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// Adds what can go on to the descriptors to wait for. Each direction reads only when its last bytes were written.
    pub fn watch<'fd>(&'fd self, watched: &mut Vec<(Source, PollFd<'fd>)>) {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.output.pending.is_empty());
        events.set(PollFlags::OUT, !self.input.pending.is_empty());
        if !self.hung_up && !events.is_empty() {
            watched.push((Source::Master, PollFd::new(&self.master, events)));
        }
        if self.input.open && self.input.pending.is_empty() {
            watched.push((Source::Input, PollFd::from_borrowed_fd(stdin(), PollFlags::IN)));
        }
        if let (Some(stream), false) = (&self.output.stream, self.output.pending.is_empty()) {
            watched.push((Source::Output, PollFd::new(stream, PollFlags::OUT)));
        }
    }

    /// Copies what an entry of `watch` said is there.
    pub fn advance(&mut self, source: Source) {
        match source {
            Source::Master => {
                self.write_input();
                self.hung_up = self.read_output() == Reading::HungUp;
            }
            Source::Input => self.read_input(),
            Source::Output => self.write_output(),
        }
    }

    /// Looks whether the container's end was opened again.
    pub fn look_again(&mut self) {
        self.hung_up = self.read_output() == Reading::HungUp;
    }

    /// Takes the rest of what the container wrote, piece by piece: true while there is some to write, which is watched as
    /// `Source::Output`. Processes that outlive the first one may write on and on; they are not waited for.
    pub fn drain(&mut self) -> bool {
        self.input = Input { open: false, pending: Vec::new(), last_byte: b'\n' };
        self.hung_up = true; // the master is read here alone
        while self.output.pending.is_empty() && self.drained_bytes < MAX_DRAIN_BYTES && self.read_output() == Reading::More {
            self.drained_bytes += READ_BYTES;
        }
        !self.output.pending.is_empty()
    }

    /// Reads once, if there is room. A nonblocking read pushes through what the kernel still has on its way
    /// (n_tty_read flushes the port's work), so nothing that was written comes later.
    fn read_output(&mut self) -> Reading {
        if !self.output.pending.is_empty() {
            return Reading::More;
        }
        let mut buffer = [0u8; READ_BYTES];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.master, &mut buffer)) {
            Err(Errno::AGAIN) => Reading::Nothing,
            Ok(0) | Err(_) => Reading::HungUp, // EIO: nobody has the other end open
            Ok(count) => {
                if self.output.stream.is_some() {
                    self.output.pending.extend_from_slice(&buffer[..count]);
                }
                Reading::More
            }
        }
    }

    fn write_output(&mut self) {
        let Output { stream: Some(stream), pending } = &mut self.output else { return };
        match rustix::io::write(&*stream, &pending[..pending.len().min(WRITE_BYTES)]) {
            Ok(count) => drop(pending.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.output = Output { stream: None, pending: Vec::new() },
        }
    }

    fn read_input(&mut self) {
        let mut buffer = [0u8; WRITE_BYTES];
        match rustix::io::read(stdin(), &mut buffer) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(0) | Err(_) => {
                self.input.open = false;
                self.end_input();
            }
            Ok(count) => {
                self.input.pending.extend_from_slice(&buffer[..count]);
                self.input.last_byte = buffer[count - 1];
            }
        }
    }

    /// Tells the container that no more comes, as somebody at a terminal does: by its end-of-file character (termios(3),
    /// VEOF), which after a started line only hands that over.
    fn end_input(&mut self) {
        let Ok(settings) = tcgetattr(&self.master) else { return };
        if settings.local_modes.contains(LocalModes::ICANON) {
            let times = if self.input.last_byte == b'\n' { 1 } else { 2 };
            self.input.pending.extend(std::iter::repeat_n(settings.special_codes[SpecialCodeIndex::VEOF], times));
        }
    }

    fn write_input(&mut self) {
        if self.input.pending.is_empty() {
            return;
        }
        match rustix::io::write(&self.master, &self.input.pending) {
            Ok(count) => drop(self.input.pending.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input.pending.clear(), // nobody will read it
        }
    }
}

#[derive(PartialEq)]
enum Reading {
    More,
    Nothing,
    HungUp,
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
