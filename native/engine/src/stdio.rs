//! Standard output and error, unbuffered: a message is one write.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;

/// Where to write.
pub enum Stream {
    Output,
    Error,
}

/// Writes all of the text. An error is ignored: if the stream is closed there is nowhere to report it.
pub fn write(stream: Stream, text: &str) {
    match stream {
        Stream::Output => write_all(std::io::stdout().as_fd(), text.as_bytes()),
        Stream::Error => write_all(std::io::stderr().as_fd(), text.as_bytes()),
    }
}

fn write_all(fd: BorrowedFd<'_>, mut rest: &[u8]) {
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            // The caller's pipe may be non-blocking; its flags are not ours to change.
            Err(Errno::AGAIN) => wait_until_writable(fd),
            Err(_) => return,
        }
    }
}

fn wait_until_writable(fd: BorrowedFd<'_>) {
    // After an error, the next write fails and ends the loop.
    if let Err(_retry) = poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {}
}
