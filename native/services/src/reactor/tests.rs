use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{pidfd_open, Pid, PidfdFlags};

use super::*;

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
}

fn soon(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

/// The next event, which must come within 5 seconds.
fn next(reactor: &mut Reactor<'_, u32>) -> u32 {
    const LATE: u32 = u32::MAX;
    let late = reactor.at(soon(5_000), LATE);
    let event = reactor.next().unwrap().unwrap();
    assert_ne!(event.token, LATE, "nothing came");
    reactor.remove(late);
    event.token
}

/// Whether an event is pending.
fn is_ready(reactor: &mut Reactor<'_, u32>) -> bool {
    const NONE: u32 = u32::MAX;
    let now = reactor.at(soon(20), NONE);
    let token = reactor.next().unwrap().unwrap().token;
    reactor.remove(now);
    token != NONE
}

#[test]
fn without_sources_there_is_nothing_to_wait_for() {
    assert_eq!(Reactor::<u32>::new().unwrap().next(), Ok(None));
}

#[test]
fn timers_come_in_the_order_of_their_deadlines_and_never_early() {
    let mut reactor = Reactor::new().unwrap();
    let begun = Instant::now();
    for milliseconds in [30, 10, 20] {
        reactor.at(begun + Duration::from_millis(milliseconds), milliseconds as u32);
    }
    for milliseconds in [10, 20, 30] {
        assert_eq!(next(&mut reactor), milliseconds);
        assert!(begun.elapsed() >= Duration::from_millis(milliseconds.into()));
    }
    assert_eq!(reactor.next(), Ok(None), "each comes once");
}

#[test]
fn a_timer_that_is_removed_does_not_come_and_many_leave_nothing() {
    let mut reactor = Reactor::new().unwrap();
    reactor.at(soon(10), 1);
    for _ in 0..10_000 {
        let key = reactor.at(soon(3_600_000), 2);
        reactor.remove(key);
    }
    assert!(reactor.timers.len() < 10 && reactor.slots.len() < 10);
    let cancelled = reactor.at(soon(1), 3);
    reactor.remove(cancelled);
    assert_eq!(next(&mut reactor), 1);
}

#[test]
fn timers_that_come_all_the_time_leave_room_for_others() {
    let mut reactor = Reactor::new().unwrap();
    let (read, write) = pipe();
    rustix::io::write(&write, b"x").unwrap();
    reactor.watch(read, Interest::READ, 1).unwrap();
    let past = Instant::now();
    reactor.at(past, 0);
    let mut pipes = 0;
    for _ in 0..100 {
        match reactor.next().unwrap().unwrap().token {
            0 => drop(reactor.at(past, 0)),
            _ => pipes += 1,
        }
    }
    assert!((40..60).contains(&pipes), "{pipes}");
}

#[test]
fn the_end_of_a_process_comes_once() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let mut reactor = Reactor::new().unwrap();
    reactor.watch_exit(pidfd.as_fd(), 1).unwrap();
    assert!(!is_ready(&mut reactor));
    drop(child.stdin.take());
    assert_eq!(next(&mut reactor), 1);
    assert_eq!(reactor.next(), Ok(None));
    assert!(child.wait().unwrap().success(), "it is left to be reaped");
}

#[test]
fn what_was_not_read_is_reported_again_and_so_is_an_end() {
    let (read, write) = pipe();
    let mut reactor = Reactor::new().unwrap();
    reactor.watch(read.as_fd(), Interest::READ, 1).unwrap();
    assert!(!is_ready(&mut reactor));
    rustix::io::write(&write, b"xy").unwrap();
    assert_eq!([next(&mut reactor), next(&mut reactor)], [1, 1]);
    rustix::io::read(&read, &mut [0; 2]).unwrap();
    assert!(!is_ready(&mut reactor));
    drop(write);
    assert_eq!([next(&mut reactor), next(&mut reactor)], [1, 1]);
}

#[test]
fn without_interest_not_even_a_hang_up_is_reported() {
    let (read, write) = pipe();
    let mut reactor = Reactor::new().unwrap();
    let key = reactor.watch(read, Interest::READ, 1).unwrap();
    drop(write);
    assert_eq!(next(&mut reactor), 1);
    reactor.set_interest(key, Interest::NONE).unwrap();
    assert!(!is_ready(&mut reactor));
    reactor.set_interest(key, Interest::READ).unwrap();
    assert_eq!(next(&mut reactor), 1);
}

#[test]
fn an_interest_may_change_to_writing_and_back() {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None).unwrap();
    let mut reactor = Reactor::new().unwrap();
    let key = reactor.watch(ours, Interest::READ, 1).unwrap();
    assert!(!is_ready(&mut reactor));
    reactor.set_interest(key, Interest { write: true, ..Interest::NONE }).unwrap();
    assert_eq!(next(&mut reactor), 1);
    reactor.set_interest(key, Interest::READ).unwrap();
    assert!(!is_ready(&mut reactor));
    rustix::io::write(&theirs, b"x").unwrap();
    assert_eq!(next(&mut reactor), 1);
}

#[test]
fn a_source_that_another_handler_removed_is_not_reported_though_the_kernel_had_reported_it() {
    let mut reactor = Reactor::new().unwrap();
    let pipes = [pipe(), pipe()];
    let keys: Vec<Key> = (0..2).map(|number| reactor.watch(pipes[number].0.as_fd(), Interest::READ, number as u32).unwrap()).collect();
    pipes.iter().for_each(|(_, write)| assert_eq!(rustix::io::write(write, b"x"), Ok(1)));
    let first = reactor.next().unwrap().unwrap();
    let other = 1 - first.token as usize;
    reactor.remove(keys[other]);
    // Takes over the slot of the one that was removed.
    let (quiet, _write) = pipe();
    let new = reactor.watch(quiet, Interest::READ, 7).unwrap();
    assert_eq!(new.slot, keys[other].slot);
    reactor.remove(first.key);
    assert!(!is_ready(&mut reactor));
    reactor.remove(keys[other]); // once more, to no effect
    assert!(has(&reactor.slots, new));
}

#[test]
fn a_descriptor_closes_with_its_removal() {
    let (read, write) = pipe();
    let mut reactor = Reactor::new().unwrap();
    let key = reactor.watch(read, Interest::READ, 1).unwrap();
    reactor.remove(key);
    assert_eq!(rustix::io::write(&write, b"x"), Err(Errno::PIPE));
}

#[test]
fn files_are_always_ready_and_starve_nobody() {
    let mut reactor = Reactor::new().unwrap();
    let null = || rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let key = reactor.watch(null(), Interest::READ, 1).unwrap();
    let (read, write) = pipe();
    rustix::io::write(&write, b"x").unwrap();
    reactor.watch(read, Interest::READ, 2).unwrap();
    let mut tokens: Vec<u32> = (0..4).map(|_| next(&mut reactor)).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [1, 1, 2, 2]);
    reactor.set_interest(key, Interest::NONE).unwrap();
    assert_eq!([next(&mut reactor), next(&mut reactor)], [2, 2]);
    let late = reactor.watch(null(), Interest::NONE, 3).unwrap();
    reactor.set_interest(late, Interest::READ).unwrap();
    assert!((0..3).any(|_| next(&mut reactor) == 3));
}

#[test]
fn serves_many_descriptors_and_forgets_them() {
    const COUNT: usize = 400;
    let mut reactor = Reactor::new().unwrap();
    let mut writers = Vec::new();
    let mut keys = Vec::new();
    for number in 0..COUNT {
        let (read, write) = pipe();
        keys.push(reactor.watch(read, Interest::READ, number as u32).unwrap());
        writers.push(write);
    }
    writers.iter().for_each(|write| assert_eq!(rustix::io::write(write, b"x"), Ok(1)));
    let mut seen = vec![0; COUNT];
    for _ in 0..COUNT {
        seen[next(&mut reactor) as usize] += 1;
    }
    assert_eq!(seen, vec![1; COUNT], "each has its turn before one has another");
    keys.into_iter().for_each(|key| reactor.remove(key));
    assert_eq!(reactor.next(), Ok(None));
}
