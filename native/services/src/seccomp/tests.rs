//! Tests of compiled filters, which the interpreter in bpf.rs runs, and of the cache.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tsrunc_plan::seccomp::{SeccompAction, SeccompListener, SeccompProfile, SeccompRule};

use super::bpf::{run, Call, Step};
use super::compile::{compile, compile_program};
use super::flatten::flatten;
use super::*;
use crate::store::{reserve, Reservation};
use crate::testing::{record, TempDir};

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const X32_BIT: u32 = 0x4000_0000;

const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const KILL_THREAD: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;

const DOCKER: &str = include_str!("../../../../test/fixtures/seccomp/docker.plan.json");
const EVERY_FIELD: &str = include_str!("../../../../test/fixtures/seccomp/every-field.plan.json");

fn profile(plan: &str) -> SeccompProfile {
    serde_json::from_str(plan).unwrap()
}

fn steps(program: &[Instruction]) -> Vec<Step> {
    program.iter().copied().map(Step::decode).collect()
}

fn call(architecture: u32, number: u32, arguments: [u64; 6]) -> Call {
    Call { architecture, number, arguments }
}

/// All numbers that a program may distinguish, and their neighbours.
fn numbers() -> Vec<u32> {
    let near = |start: u32| (0..600).map(move |offset| start.wrapping_add(offset));
    near(0).chain(near(X32_BIT)).chain(near(X32_BIT - 2)).chain(near(u32::MAX - 3)).chain([1 << 20, 1 << 31]).collect()
}

/// Checks that both programs give the same results for all relevant calls and many arguments.
fn assert_same(one: &[Instruction], other: &[Instruction]) {
    let (one, other) = (steps(one), steps(other));
    let mut arguments = vec![[0; 6], [1; 6], [u64::MAX; 6]];
    // The constants that the programs compare arguments with, and their neighbours, in either half.
    for constant in one.iter().filter(|step| step.holds(0).is_some()).map(|step| u64::from(step.k)).collect::<std::collections::BTreeSet<_>>() {
        arguments.extend([constant, constant.wrapping_sub(1), constant + 1, constant << 32, constant << 32 | constant].map(|value| [value; 6]));
    }
    for architecture in [X86_64, I386, AARCH64, 0, u32::MAX, 0x8000_0015] {
        for number in numbers() {
            let call = call(architecture, number, arguments[0]);
            assert_eq!(run(&one, &call), run(&other, &call), "{call:x?}");
        }
        for number in [0, 1, 16, 41, 56, 59, 120, 135, 157, 158, 257, 272, 302, 359, 435, X32_BIT + 41, X32_BIT + 56] {
            for arguments in &arguments {
                let call = call(architecture, number, *arguments);
                assert_eq!(run(&one, &call), run(&other, &call), "{call:x?}");
            }
        }
    }
}

#[test]
fn dockers_profile_answers_as_it_says() {
    let filter = compile(&profile(DOCKER)).unwrap();
    let program = steps(&filter.program);
    let answer = |architecture, number, first| run(&program, &call(architecture, number, [first, 0, 0, 0, 0, 0]));
    assert_eq!(filter.warnings, []);
    assert_eq!(filter.listener, None);
    for (architecture, number, first, expected) in [
        (X86_64, 0, 0, ALLOW),                // read
        (X86_64, 304, 0, ERRNO | 1),          // open_by_handle_at: needs CAP_DAC_READ_SEARCH
        (X86_64, 435, 0, ERRNO | 38),         // clone3
        (X86_64, 56, 0, ALLOW),               // clone
        (X86_64, 56, 0x1000_0000, ERRNO | 1), // clone(CLONE_NEWUSER)
        (X86_64, 41, 2, ALLOW),               // socket(AF_INET)
        (X86_64, 41, 38, ERRNO | 1),          // socket(AF_ALG)
        (X86_64, 41, 39, ALLOW),
        (X86_64, 41, 40, ERRNO | 1), // socket(AF_VSOCK)
        (X86_64, 135, 8, ALLOW),     // personality
        (X86_64, 135, 9, ERRNO | 1),
        (X86_64, 999, 0, ERRNO | 38), // newer than the profile
        (X86_64, X32_BIT, 0, ALLOW),
        (X86_64, X32_BIT + 999, 0, ERRNO | 38),
        (I386, 3, 0, ALLOW),
        (I386, 166, 0, ERRNO | 1), // vm86
        (I386, 999, 0, ERRNO | 38),
        (AARCH64, 63, 0, KILL_THREAD),
    ] {
        assert_eq!(answer(architecture, number, first), expected, "{architecture:x} {number} {first}");
    }
}

#[test]
fn every_action_and_operator_is_what_it_says() {
    let filter = compile(&profile(EVERY_FIELD)).unwrap();
    let program = steps(&filter.program);
    let answer = |number, arguments| run(&program, &call(X86_64, number, arguments));
    for (number, expected) in [
        (83, NOTIFY),       // mkdir
        (110, KILL_THREAD), // getppid
        (111, 0x8000_0000), // getpgrp
        (124, KILL_THREAD), // getsid
        (162, 0x0003_0000), // sync
        (102, TRACE | 7),   // getuid, as the default
        (107, TRACE | 1),   // geteuid
        (104, ERRNO | 1),   // getgid
        (108, 0x7ffc_0000), // getegid
        (0, ALLOW),
        (39, TRACE | 7),
        (336, ERRNO | 38), // after uretprobe
    ] {
        assert_eq!(answer(number, [0; 6]), expected, "{number}");
    }
    // 0 is not 1, 1 < 2, 2^32 <= 2^32, 4 >= 4, 6 > 5, 0x1f & 240 == 16
    let fits = [0, 1, 1 << 32, 4, 6, 0x1f];
    assert_eq!(answer(41, fits), ALLOW);
    for (argument, value) in [(0, 1), (1, 2), (2, (1 << 32) + 1), (3, 3), (4, 5), (5, 0x2f)] {
        let mut arguments = fits;
        arguments[argument] = value;
        assert_eq!(answer(41, arguments), TRACE | 7, "argument {argument}");
    }
    assert_eq!([0, 8, 9].map(|domain| answer(135, [domain, 0, 0, 0, 0, 0])), [ALLOW, ALLOW, TRACE | 7]);
    // log, new listener, wait killable; not tsync, which the kernel refuses beside a listener
    assert_eq!(filter.flags, 2 | 8 | 32);
    assert_eq!(filter.listener, Some(SeccompListener { path: "/run/agent.sock".into(), metadata: Some("opaque".into()) }));
    assert_eq!(filter.warnings[0].pointer, "/linux/seccomp/syscalls/0/names");
    assert_eq!(filter.warnings[0].message, "no rule is made for \"no_such_call\": libseccomp 2.6.0 knows no such system call");
    assert_eq!(filter.warnings.len(), 1);
}

#[test]
fn a_flattened_program_answers_as_the_original() {
    for (plan, most) in [(DOCKER, 400), (EVERY_FIELD, 150)] {
        let mut warnings = Vec::new();
        let original = compile_program(&profile(plan), &mut warnings).unwrap();
        let flat = flatten(&original).unwrap();
        assert!(flat.len() < most, "{} of {}", flat.len(), original.len());
        assert_same(&original, &flat);
    }
}

#[test]
fn random_profiles_keep_their_meaning() {
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let names = ["read", "write", "ioctl", "socket", "clone", "prctl", "openat", "futex", "personality", "chown32", "socketcall", "fly", "arch_prctl", "sync"];
    let operators = ["notEqual", "less", "lessOrEqual", "equal", "greaterOrEqual", "greater", "maskedEqual"];
    let values = [0, 1, 2, 255, 0xffff_ffff, 1 << 32, (1 << 32) + 1, u64::MAX - 1, u64::MAX];
    for _round in 0..60 {
        let mut made = profile(
            r#"{"defaultAction":{"kind":"errno","data":1},"architectures":[],"flags":[],"preferredFlags":[],"rules":[],"denyNewer":true,"defaultNames":[]}"#,
        );
        made.deny_newer = random(2) == 0;
        made.architectures = ["x86", "x32", "x86_64", "aarch64"].into_iter().filter(|_| random(2) == 0).map(str::to_owned).collect();
        for index in 0..random(12) {
            let comparisons = (0..random(4)).map(|argument| {
                let (operator, first, second) = (operators[random(7) as usize], values[random(9) as usize], values[random(9) as usize]);
                format!(r#"{{"argument":{argument},"operator":"{operator}","first":"{first}","second":"{second}"}}"#)
            });
            let comparisons = comparisons.collect::<Vec<_>>().join(",");
            let comparisons = serde_json::from_str(&format!("[{comparisons}]")).unwrap();
            let action = [SeccompAction::Allow, SeccompAction::Trap, SeccompAction::Errno { data: 2 }, SeccompAction::Log][random(4) as usize];
            let names = (0..=random(3)).map(|_| names[random(names.len() as u64) as usize].to_owned()).collect();
            made.rules.push(SeccompRule { names, action, comparisons, pointer: format!("/{index}") });
        }
        let Ok(original) = compile_program(&made, &mut Vec::new()) else { continue };
        let flat = flatten(&original).unwrap_or_else(|| panic!("not flattened: {made:?}"));
        assert_same(&original, &flat);
    }
}

#[test]
fn flatten_refuses_programs_that_libseccomp_does_not_generate() {
    use super::bpf::{step, test, AND, ARCHITECTURE, JUMP_GREATER, JUMP_SET, LOAD, NUMBER, RETURN};
    let refused = |steps: &[Step]| flatten(&steps.iter().copied().map(Step::encode).collect::<Vec<_>>()).is_none();
    let end = [step(RETURN, ALLOW), step(RETURN, 0)];
    assert!(!refused(&[&[step(LOAD, NUMBER), test(JUMP_GREATER, 5, 0, 1)], end.as_slice()].concat()));
    assert!(refused(&[&[step(LOAD, NUMBER), test(JUMP_SET, 5, 0, 1)], end.as_slice()].concat()));
    assert!(refused(&[&[step(LOAD, NUMBER), step(AND, 5)], end.as_slice()].concat()));
    assert!(refused(&[&[step(LOAD, ARCHITECTURE), test(JUMP_GREATER, 5, 0, 1)], end.as_slice()].concat()));
    assert!(refused(&[&[step(0x80, 0)], end.as_slice()].concat())); // the length of a packet
    assert!(refused(&[step(LOAD, NUMBER)])); // no end
}

#[test]
fn compile_errors_have_a_json_pointer() {
    let error = |change: fn(&mut SeccompProfile)| {
        let mut profile = profile(DOCKER);
        change(&mut profile);
        compile(&profile).unwrap_err().to_string()
    };
    assert_eq!(
        error(|profile| profile.architectures = vec!["x86".into(), "s390x".into()]),
        "compile the seccomp profile (/linux/seccomp/architectures/1): s390x has another byte order than this machine"
    );
    assert_eq!(
        error(|profile| profile.architectures = vec!["vax".into()]),
        "compile the seccomp profile (/linux/seccomp/architectures/0): libseccomp 2.6.0 does not know vax"
    );
}

fn filter() -> Filter {
    Filter { program: vec![1, u64::MAX, 3], flags: 4, listener: None, warnings: vec![Warning { pointer: "/p".into(), message: "m".into(), rule: "r".into() }] }
}

/// Adds a filter to the cache of a state root. Returns the path of its file.
fn insert_filter(temp: &TempDir) -> String {
    cache::insert(fs::File::open(temp.path()).unwrap(), b"key", &filter()).unwrap();
    let directory = format!("{}/#seccomp", temp.path());
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 1);
    format!("{directory}/{}", names[0])
}

#[test]
fn a_cached_filter_is_found_only_by_its_whole_key() {
    let temp = TempDir::new();
    assert_eq!(cache::find(temp.path(), b"key"), None);
    let file = insert_filter(&temp);
    assert_eq!(cache::find(temp.path(), b"key"), Some(filter()));
    assert_eq!(cache::find(temp.path(), b"other"), None);
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&file), mode(&format!("{}/#seccomp", temp.path()))), (0o600, 0o700));
    // A file with the name of another key.
    let other = format!("{}/#seccomp/{:016x}", temp.path(), cache::digest(b"other"));
    fs::copy(&file, other).unwrap();
    assert_eq!(cache::find(temp.path(), b"other"), None);
}

#[test]
fn a_file_that_others_could_have_written_is_not_used() {
    let temp = TempDir::new();
    let file = insert_filter(&temp);
    let directory = format!("{}/#seccomp", temp.path());
    let with_mode = |path: &str, mode: u32| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let found = cache::find(temp.path(), b"key");
        fs::set_permissions(path, before).unwrap();
        found
    };
    for mode in [0o602, 0o620, 0o644] {
        assert_eq!(with_mode(&file, mode), None, "{mode:o}");
    }
    for mode in [0o702, 0o720, 0o755] {
        assert_eq!(with_mode(&directory, mode), None, "{mode:o}");
    }
    assert!(cache::find(temp.path(), b"key").is_some());
    let link = format!("{}/link", temp.path());
    fs::hard_link(&file, &link).unwrap();
    assert_eq!(cache::find(temp.path(), b"key"), None, "a file with a second name, which may be in somebody else's directory");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&link, &file).unwrap();
    assert_eq!(cache::find(temp.path(), b"key"), None, "a symbolic link");
}

#[test]
fn a_damaged_file_is_not_used_and_is_replaced() {
    let temp = TempDir::new();
    let file = insert_filter(&temp);
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).unwrap();
        assert_eq!(cache::find(temp.path(), b"key"), None, "byte {at}");
        fs::write(&file, &whole[..at]).unwrap();
        assert_eq!(cache::find(temp.path(), b"key"), None, "cut at {at}");
    }
    fs::write(&file, [&whole[..], b"x"].concat()).unwrap();
    assert_eq!(cache::find(temp.path(), b"key"), None);
    assert_eq!(insert_filter(&temp), file);
    assert_eq!(cache::find(temp.path(), b"key"), Some(filter()));
}

#[test]
fn the_oldest_files_are_removed_to_make_room() {
    let temp = TempDir::new();
    let root = fs::File::open(temp.path()).unwrap();
    for number in 0..70u32 {
        cache::insert(&root, &number.to_le_bytes(), &filter()).unwrap();
        let file = format!("{}/#seccomp/{:016x}", temp.path(), cache::digest(&number.to_le_bytes()));
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number.into());
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    }
    let found = |number: u32| cache::find(temp.path(), &number.to_le_bytes()).is_some();
    assert_eq!(fs::read_dir(format!("{}/#seccomp", temp.path())).unwrap().count(), 64);
    assert_eq!([found(0), found(5), found(6), found(69)], [false, false, true, true]);
    // Ten of these exceed the limit of the total size.
    for number in 100..110u32 {
        let key = [&number.to_le_bytes()[..], &[7; 120_000]].concat();
        cache::insert(&root, &key, &filter()).unwrap();
    }
    let bytes: u64 = fs::read_dir(format!("{}/#seccomp", temp.path())).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 1 << 20 && bytes > 900_000, "{bytes}");
    // Too large for the cache.
    cache::insert(&root, &[8; 200_000], &filter()).unwrap();
    assert_eq!(cache::find(temp.path(), &[8; 200_000]), None);
}

#[test]
fn a_profile_whose_filter_is_cached_is_replaced_by_the_placeholder() {
    let temp = TempDir::new();
    let config = r#"{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_LOG"},"x":1},"y":2}"#;
    let (text, found) = Seccomp::take_from(config.into(), Some(temp.path()));
    let found = found.unwrap();
    assert_eq!((text.as_str(), found.filter()), (config, None));
    let made = profile(
        r#"{"defaultAction":{"kind":"log"},"architectures":[],"flags":[],"preferredFlags":["specAllow"],"rules":[],"denyNewer":false,"defaultNames":[]}"#,
    );
    let compiled = Seccomp::compile(Some(found), &made).unwrap();
    let lock = reserve(&Reservation { root: temp.path(), root_mode: 0o700, record: &record("c"), interruptible: false }).unwrap();
    compiled.keep(&lock).unwrap();
    assert_eq!(Some(&of_container(lock.dir_fd()).unwrap()), compiled.filter());
    fs::write(format!("{}/seccomp", lock.path()), "cut").unwrap();
    assert!(of_container(lock.dir_fd()).unwrap_err().to_string().contains("missing or damaged"));
    let (text, again) = Seccomp::take_from(config.into(), Some(temp.path()));
    assert_eq!(text, r#"{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_KILL_PROCESS"},"x":1},"y":2}"#);
    assert_eq!(again.unwrap().filter(), compiled.filter());
    // A text that differs by a space only.
    let (_, other) = Seccomp::take_from(config.replace("\":\"", "\": \""), Some(temp.path()));
    assert_eq!(other.unwrap().filter(), None);
    assert!(Seccomp::take_from(r#"{"linux":{}}"#.into(), Some(temp.path())).1.is_none());
}

#[test]
fn process_state_has_the_fields_of_the_specification() {
    let state = r#"{"ociVersion":"1.3.0","id":"c","status":"creating","pid":7,"bundle":"/b"}"#;
    let sent: serde_json::Value = serde_json::from_str(&process_state(7, state, Some("m")).unwrap()).unwrap();
    assert_eq!(
        sent,
        serde_json::json!({ "ociVersion": "1.3.0", "fds": ["seccompFd"], "pid": 7, "metadata": "m",
            "state": { "ociVersion": "1.3.0", "id": "c", "status": "creating", "pid": 7, "bundle": "/b" } })
    );
    assert!(!process_state(7, state, None).unwrap().contains("metadata"));
}
