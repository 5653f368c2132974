//! Copies bytes from one descriptor to another. Never blocks: the owner of the reactor waits and calls when a descriptor is ready.

use std::os::fd::AsFd;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::io::{retry_on_intr, Errno};
use rustix::pipe::{splice, SpliceFlags};

use super::descriptor::Descriptor;
use super::NO_TIME;

/// A writable pipe accepts this much without blocking (PIPE_BUF, pipe(7)). The caller's pipes and terminals may be in blocking mode, and the mode
/// is shared with other processes, so it stays as it is.
const WRITE_BYTES: usize = 4096;
const READ_BYTES: usize = 16 << 10;
/// The capacity of a pipe.
const SPLICE_BYTES: usize = 64 << 10;

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// This many bytes; there may be more.
    Bytes(usize),
    /// None for now, or earlier bytes have to be written first.
    Nothing,
    /// End of file.
    End,
    /// The read failed; on a terminal's master it does while nobody has the other end open (EIO).
    Failed(Errno),
}

/// A copy in one direction. It reads again only after everything read so far is written, so it buffers one read at most and a slow sink holds up
/// the source.
///
/// When a write to the sink fails, the bytes are dropped and the copy continues, so that the writer at the source does not block. After EPIPE
/// everything is dropped.
pub struct Copier<'fd> {
    source: Descriptor<'fd>,
    /// None after EPIPE.
    sink: Option<Descriptor<'fd>>,
    buffer: Box<[u8]>,
    /// The bytes of the buffer that are not written yet are from `start` to `end`.
    start: usize,
    end: usize,
    /// The last read filled the buffer and the sink is a pipe, so splice(2) may move whole pages. It is not used for small writes, because each
    /// splice takes at least one of the pipe's 16 pages.
    in_bulk: bool,
}

impl<'fd> Copier<'fd> {
    pub fn new(source: Descriptor<'fd>, sink: Descriptor<'fd>) -> Self {
        Copier { source, sink: Some(sink), buffer: vec![0; READ_BYTES].into_boxed_slice(), start: 0, end: 0, in_bulk: false }
    }

    /// Whether there are bytes to write. If not, the source may be read.
    pub fn is_writing(&self) -> bool {
        self.start < self.end
    }

    /// Whether the last byte read was not the end of a line.
    pub fn is_in_line(&self) -> bool {
        self.end.checked_sub(1).is_some_and(|last| self.buffer[last] != b'\n')
    }

    /// Adds the caller's bytes after those that were read, if they fit.
    pub fn append(&mut self, bytes: &[u8]) {
        if !self.is_writing() {
            (self.start, self.end) = (0, 0);
        }
        if let Some(room) = self.buffer.get_mut(self.end..self.end + bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Reads once from a source that is ready or non-blocking, and writes as much as the sink accepts.
    pub fn pull(&mut self) -> Pulled {
        if self.is_writing() {
            return Pulled::Nothing;
        }
        if let Some(count) = self.splice() {
            return Pulled::Bytes(count);
        }
        match retry_on_intr(|| rustix::io::read(&self.source, &mut *self.buffer)) {
            Ok(0) => Pulled::End,
            Ok(count) => {
                (self.start, self.end) = (0, count);
                self.in_bulk = count == READ_BYTES && self.sink.as_ref().is_some_and(is_pipe);
                self.push();
                Pulled::Bytes(count)
            }
            Err(Errno::AGAIN) => Pulled::Nothing,
            Err(errno) => Pulled::Failed(errno),
        }
    }

    /// Writes the buffered bytes as far as the sink accepts them without blocking.
    pub fn push(&mut self) {
        while self.is_writing() {
            let Some(sink) = &self.sink else {
                self.start = self.end;
                return;
            };
            if !matches!(poll(&mut [PollFd::new(sink, PollFlags::OUT)], Some(&NO_TIME)), Ok(1..)) {
                return;
            }
            let piece = self.start..self.end.min(self.start + WRITE_BYTES);
            match rustix::io::write(sink, &self.buffer[piece]) {
                Ok(count) => self.start += count,
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(errno) => {
                    self.start = self.end;
                    if errno == Errno::PIPE {
                        self.sink = None;
                    }
                }
            }
        }
    }

    /// Moves pages by splice(2) if `in_bulk`. None if a read has to be tried instead: because not in bulk, or because nothing was moved (no data,
    /// end of file, a full sink, or EPIPE).
    fn splice(&mut self) -> Option<usize> {
        let sink = self.sink.as_ref().filter(|_| self.in_bulk)?;
        // NONBLOCK applies to pipes even in blocking mode.
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let count = retry_on_intr(|| splice(&self.source, None, sink, None, SPLICE_BYTES, flags)).unwrap_or(0);
        self.in_bulk = count >= READ_BYTES;
        Some(count).filter(|count| *count > 0)
    }
}

fn is_pipe(fd: impl AsFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pipe::{pipe_with, PipeFlags};

    use super::super::{Interest, Reactor};
    use super::*;

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
    }

    /// Copies until the end of file. The reader reads a little whenever the copy is stuck. Returns the bytes read and the maximum buffered.
    fn copy_to_slow_reader(text: &[u8]) -> (Vec<u8>, usize) {
        let (source, writer) = pipe();
        let (reader, sink) = pipe();
        let (source, sink) = (Descriptor::from(source), Descriptor::from(sink));
        let mut copier = Copier::new(source.clone(), sink.clone());
        let mut reactor = Reactor::new().unwrap();
        let from = reactor.watch(source, Interest::NONE, 1).unwrap();
        let to = reactor.watch(sink.clone(), Interest::NONE, 2).unwrap();
        let (mut rest, mut writer, mut came, mut most) = (text, Some(writer), Vec::new(), 0);
        let mut buffer = [0; 1000];
        loop {
            while let Some(Ok(count @ 1..)) = writer.as_ref().map(|writer| rustix::io::write(writer, rest)) {
                rest = &rest[count..];
            }
            if rest.is_empty() {
                writer = None;
            }
            reactor.set_interest(from, Interest { read: !copier.is_writing(), ..Interest::NONE }).unwrap();
            reactor.set_interest(to, Interest { write: copier.is_writing(), ..Interest::NONE }).unwrap();
            most = most.max(copier.end - copier.start);
            if copier.is_writing() && poll(&mut [PollFd::new(&sink, PollFlags::OUT)], Some(&NO_TIME)) == Ok(0) {
                assert_eq!(copier.pull(), Pulled::Nothing, "there is something to write first");
                let count = rustix::io::read(&reader, &mut buffer).unwrap();
                came.extend_from_slice(&buffer[..count]);
                continue;
            }
            match reactor.next().unwrap().unwrap().token {
                1 if copier.pull() == Pulled::End => break,
                1 => {}
                _ => copier.push(),
            }
        }
        drop((reactor, copier, sink));
        while let Ok(count @ 1..) = rustix::io::read(&reader, &mut buffer) {
            came.extend_from_slice(&buffer[..count]);
        }
        (came, most)
    }

    #[test]
    fn waits_for_a_slow_reader_and_loses_nothing() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(|number| (number % 251).to_le_bytes()).take(300_000).collect();
        let (came, most) = copy_to_slow_reader(&text);
        assert!(came == text, "{} of {} bytes, or different ones", came.len(), text.len());
        assert!((1..=16 << 10).contains(&most), "{most}");
    }

    #[test]
    fn drops_everything_after_epipe() {
        let (source, writer) = pipe();
        let (reader, sink) = pipe();
        let mut copier = Copier::new(source.into(), sink.into());
        drop(reader);
        for _ in 0..3 {
            rustix::io::write(&writer, &[0; 32 << 10]).unwrap();
            assert_eq!([copier.pull(), copier.pull()], [Pulled::Bytes(16 << 10); 2]);
        }
        assert!(!copier.is_writing() && copier.sink.is_none());
        drop(writer);
        assert_eq!(copier.pull(), Pulled::End);
    }

    #[test]
    fn splices_bulk_data_and_goes_back_to_small_reads() {
        let (source, writer) = pipe();
        let (reader, sink) = pipe();
        let mut copier = Copier::new(source.into(), sink.into());
        rustix::io::write(&writer, &[1; 64 << 10]).unwrap();
        assert_eq!(copier.pull(), Pulled::Bytes(16 << 10));
        assert!(copier.in_bulk);
        assert_eq!(copier.pull(), Pulled::Bytes(48 << 10), "by splice: more than a buffer");
        assert_eq!((copier.pull(), copier.in_bulk), (Pulled::Nothing, false));
        let mut came = vec![0; 64 << 10];
        assert_eq!(rustix::io::read(&reader, &mut came).unwrap(), 64 << 10);
        for _ in 0..40 {
            rustix::io::write(&writer, b"line\n").unwrap();
            assert_eq!(copier.pull(), Pulled::Bytes(5));
        }
        assert!(!copier.is_writing(), "forty lines take one page of the pipe");
        assert!(!copier.is_in_line());
    }
}
