//! A connection to systemd, directly or through a D-Bus broker (dbus.freedesktop.org/doc/dbus-specification.html). rustbus encodes and decodes the
//! messages; its own connections are not used because they lack close-on-exec and do not detect that the peer has closed the connection.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustbus::message_builder::{MarshalledMessage, MessageBuilder, MessageType};
use rustbus::wire::{marshal, unmarshal};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::systemd::BusAddress;
use tsrunc_sys::errno::During;

/// How long a busy manager may take to answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// More than any message of a service manager.
const LONGEST_MESSAGE: usize = 1 << 20;
const FIXED_HEADER: usize = 16;

pub const MANAGER: &str = "org.freedesktop.systemd1";
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

pub struct Bus {
    stream: UnixStream,
    /// Received bytes that are not parsed yet.
    received: Vec<u8>,
    signals: VecDeque<MarshalledMessage>,
    serial: u32,
    deadline: Instant,
    /// The peer is the manager itself, not a broker.
    pub direct: bool,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum CallError {
    /// The peer answered with an error: its name and text.
    Refused { name: String, text: String },
    /// There was no valid answer.
    Broken(Failure),
}

impl CallError {
    pub fn during(self, operation: impl FnOnce() -> String) -> Failure {
        match self {
            CallError::Refused { name, text } => Failure::new(FailureCode::Other, operation(), format!("{name} ({text})")),
            CallError::Broken(failure) => failure,
        }
    }

    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, CallError::Refused { name, .. } if name == wanted)
    }
}

impl Bus {
    /// Connects and authenticates by the credentials of the socket.
    pub fn connect(address: &BusAddress) -> Result<Bus, Failure> {
        let during = || format!("connect to {:?}", address.path);
        let stream = UnixStream::connect(&address.path).during(during)?;
        let deadline = Instant::now() + REPLY_TIMEOUT;
        let mut bus = Bus { stream, received: Vec::new(), signals: VecDeque::new(), serial: 0, deadline, direct: address.direct };
        // With an empty identity the peer uses the uid that the kernel reports; our own uid would be wrong in a user namespace.
        bus.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n").during(during)?;
        let challenge = bus.read_line()?;
        let verdict = bus.read_line()?;
        if challenge != "DATA" || !verdict.starts_with("OK ") {
            return Err(Failure::new(FailureCode::Other, during(), format!("authentication failed: {challenge:?}, {verdict:?}")));
        }
        if !bus.direct {
            let hello = call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
            bus.call(&hello).map_err(|error| error.during(during))?;
        }
        Ok(bus)
    }

    /// Sends a call and waits for its answer. Queues signals that arrive meanwhile.
    pub fn call(&mut self, message: &MarshalledMessage) -> Result<MarshalledMessage, CallError> {
        self.serial += 1;
        let serial = self.serial;
        let mut bytes = Vec::new();
        marshal::marshal(message, serial, &mut bytes).map_err(|error| CallError::Broken(invalid_message(format!("{error:?}"))))?;
        bytes.extend_from_slice(message.get_buf());
        self.stream.write_all(&bytes).during(|| "write to systemd's bus".into()).map_err(CallError::Broken)?;
        loop {
            let answer = self.read_message().map_err(CallError::Broken)?;
            let is_ours = answer.dynheader.response_serial == Some(serial);
            match answer.typ {
                MessageType::Reply if is_ours => return Ok(answer),
                MessageType::Error if is_ours => {
                    let name = answer.dynheader.error_name.clone().unwrap_or_default();
                    let text = answer.body.parser().get::<String>().unwrap_or_default();
                    return Err(CallError::Refused { name, text });
                }
                MessageType::Signal => self.signals.push_back(answer),
                _ => {}
            }
        }
    }

    /// The next signal.
    pub fn signal(&mut self) -> Result<MarshalledMessage, Failure> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let message = self.read_message()?;
            if message.typ == MessageType::Signal {
                return Ok(message);
            }
        }
    }

    fn read_message(&mut self) -> Result<MarshalledMessage, Failure> {
        self.fill(FIXED_HEADER)?;
        let (_, header) = unmarshal::unmarshal_header(&self.received, 0).map_err(|error| invalid_message(error.to_string()))?;
        let fields = number_at(&self.received, 12, header.byteorder);
        let length = (FIXED_HEADER + fields).next_multiple_of(8) + header.body_len as usize;
        if length > LONGEST_MESSAGE {
            return Err(invalid_message(format!("a message of {length} bytes")));
        }
        self.fill(length)?;
        let rest = self.received.split_off(length);
        let bytes = std::mem::replace(&mut self.received, rest);
        let read = || {
            let (start, header) = unmarshal::unmarshal_header(&bytes, 0)?;
            let (fields, dynamic) = unmarshal::unmarshal_dynamic_header(&header, &bytes, start)?;
            unmarshal::unmarshal_next_message(&header, dynamic, &bytes, start + fields)
        };
        read().map(|(_, message)| message).map_err(|error| invalid_message(error.to_string()))
    }

    /// Reads until at least `count` bytes have been received.
    fn fill(&mut self, count: usize) -> Result<(), Failure> {
        while self.received.len() < count {
            self.read_some()?;
        }
        Ok(())
    }

    fn read_line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.received.len() > LONGEST_MESSAGE {
                return Err(invalid_message("a line without an end".into()));
            }
            self.read_some()?;
        }
    }

    fn read_some(&mut self) -> Result<(), Failure> {
        let during = || "read from systemd's bus".to_owned();
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::new(FailureCode::Other, during(), format!("no answer within {} s", REPLY_TIMEOUT.as_secs())));
        }
        self.stream.set_read_timeout(Some(left)).during(during)?;
        let mut chunk = [0u8; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Failure::new(FailureCode::Other, during(), "the connection was closed")),
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            // A timeout, which the next call reports, or an interrupting signal.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut | std::io::ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error).during(during),
        }
    }
}

/// A method call without arguments.
pub fn call(destination: &str, path: &str, interface: &str, member: &str) -> MarshalledMessage {
    MessageBuilder::new().call(member).on(path).with_interface(interface).at(destination).build()
}

fn number_at(bytes: &[u8], at: usize, order: rustbus::ByteOrder) -> usize {
    let mut four = [0u8; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    let number = match order {
        rustbus::ByteOrder::LittleEndian => u32::from_le_bytes(four),
        rustbus::ByteOrder::BigEndian => u32::from_be_bytes(four),
    };
    // Larger numbers are refused as too long either way.
    (number as usize).min(LONGEST_MESSAGE)
}

fn invalid_message(cause: String) -> Failure {
    Failure::new(FailureCode::Other, "understand systemd's bus", cause)
}
