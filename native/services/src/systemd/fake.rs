//! A fake of systemd for tests: serves one connection with a list of answers.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use rustbus::message_builder::{MarshalledMessage, MessageBuilder};
use rustbus::wire::{marshal, unmarshal, ObjectPath};
use tsrunc_plan::systemd::BusAddress;

use crate::testing::TempDir;

#[derive(Clone)]
pub enum Answer {
    /// A job, with a signal that it is done with this result.
    Job(&'static str),
    Path(&'static str),
    Text(&'static str),
    Nothing,
    Refusal(&'static str),
    /// Close the connection.
    End,
}

pub struct Manager {
    pub address: BusAddress,
    _directory: TempDir,
    thread: JoinHandle<Vec<String>>,
}

impl Manager {
    /// Answers calls in this order, whatever is called.
    pub fn with(answers: Vec<Answer>) -> Manager {
        let directory = TempDir::new();
        let path = format!("{}/private", directory.path());
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || serve(&mut listener.accept().unwrap().0, answers));
        Manager { address: BusAddress { path, direct: true }, _directory: directory, thread }
    }

    /// The names of the methods that were called.
    pub fn calls(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

fn serve(stream: &mut UnixStream, answers: Vec<Answer>) -> Vec<String> {
    let mut received = Vec::new();
    while !received.ends_with(b"BEGIN\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    assert_eq!(received, b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
    stream.write_all(b"DATA\r\nOK 00000000000000000000000000c0ffee\r\n").unwrap();
    let mut calls = Vec::new();
    for (job, answer) in answers.into_iter().enumerate() {
        let call = read(stream);
        calls.push(call.dynheader.member.clone().unwrap());
        let job = format!("/org/freedesktop/systemd1/job/{job}");
        let mut reply = call.dynheader.make_response();
        match answer {
            Answer::Job(result) => {
                // A signal for another job, and then the one for this job, both before the reply.
                for (ended, result) in [("/org/freedesktop/systemd1/job/99", "failed"), (&job, result)] {
                    let mut signal = MessageBuilder::new().signal("org.freedesktop.systemd1.Manager", "JobRemoved", "/org/freedesktop/systemd1").build();
                    signal.body.push_param4(7u32, ObjectPath::new(ended).unwrap(), "a.scope", result).unwrap();
                    send(stream, &signal);
                }
                reply.body.push_param(ObjectPath::new(job.as_str()).unwrap()).unwrap();
            }
            Answer::Path(path) => reply.body.push_param(ObjectPath::new(path).unwrap()).unwrap(),
            Answer::Text(text) => reply.body.push_variant(text).unwrap(),
            Answer::Nothing => {}
            Answer::Refusal(name) => {
                send_error(stream, call.dynheader.serial.unwrap(), name);
                continue;
            }
            Answer::End => break,
        }
        send(stream, &reply);
    }
    calls
}

fn read(stream: &mut UnixStream) -> MarshalledMessage {
    let mut bytes = vec![0; 16];
    stream.read_exact(&mut bytes).unwrap();
    let (_, header) = unmarshal::unmarshal_header(&bytes, 0).unwrap();
    let fields = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut rest = vec![0; (16 + fields).next_multiple_of(8) - 16 + header.body_len as usize];
    stream.read_exact(&mut rest).unwrap();
    bytes.extend(rest);
    let (fields, dynamic) = unmarshal::unmarshal_dynamic_header(&header, &bytes, 12).unwrap();
    unmarshal::unmarshal_next_message(&header, dynamic, &bytes, 12 + fields).unwrap().1
}

fn send(stream: &mut UnixStream, message: &MarshalledMessage) {
    let mut bytes = Vec::new();
    marshal::marshal(message, 1, &mut bytes).unwrap();
    bytes.extend_from_slice(message.get_buf());
    stream.write_all(&bytes).unwrap();
}

/// Written by hand, because rustbus does not encode the name of an error.
fn send_error(stream: &mut UnixStream, serial: u32, name: &str) {
    let mut fields = vec![5, 1, b'u', 0];
    fields.extend(serial.to_le_bytes());
    fields.extend([4, 1, b's', 0]);
    fields.extend((name.len() as u32).to_le_bytes());
    fields.extend(name.bytes().chain([0]));
    fields.resize(fields.len().next_multiple_of(8), 0);
    fields.extend([8, 1, b'g', 0, 1, b's', 0]);
    let body = [&7u32.to_le_bytes()[..], b"because\0"].concat();
    let mut bytes = vec![b'l', 3, 0, 1];
    for number in [body.len(), 1, fields.len()] {
        bytes.extend((number as u32).to_le_bytes());
    }
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    stream.write_all(&bytes).unwrap();
}
