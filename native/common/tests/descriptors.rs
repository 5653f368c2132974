//! A test binary of its own, because it changes RLIMIT_NOFILE.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tsrunc_common::protocol::{Channel, ToInit};

fn pair() -> (Channel, Channel) {
    let (one, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    (Channel::new(one), Channel::new(other))
}

fn files() -> Vec<OwnedFd> {
    (0..3).map(|_| File::open("/dev/null").unwrap().into()).collect()
}

#[test]
fn a_message_brings_all_its_descriptors_or_fails() {
    let (sender, receiver) = pair();
    let state = "x".repeat(1 << 20); // more than a socket holds
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send_with(&ToInit::Release { state: state.clone() }, &files()).unwrap());
        let (message, received): (ToInit<'_>, _) = receiver.receive_with().unwrap();
        assert!(matches!(message, ToInit::Release { state } if state.len() == 1 << 20));
        assert_eq!(received.len(), 3);
    });

    sender.send_with(&ToInit::Start, &files()).unwrap();
    let next = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + 2), maximum: before.maximum }).unwrap();
    let failure = receiver.receive_with::<ToInit<'_>>().err().unwrap();
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(failure.cause, "EMFILE (too many open files)");

    for count in [254, 300] {
        let many: Vec<OwnedFd> = (0..count).map(|_| files().remove(0)).collect();
        let failure = sender.send_with(&ToInit::Start, &many).err().unwrap();
        assert_eq!(failure.cause, "EINVAL (invalid argument)");
    }
}
