//! Looks at many containers at once, for `list`: their records and whether their processes are alive, in one reply.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Formatter;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_plan::record::{ContainerSummary, RecordedStatus, RECORD_VERSION};
use tsrunc_sys::errno::During;

use crate::state_root::STATE;
use crate::{cgroup, processes, state_root, trust};

/// Larger than a usual record.
const USUAL_BYTES: usize = 32 << 10;

/// The part of `ContainerRecord` that a list shows: its first fields. A record that lacks any of them is left to the core.
#[derive(Default)]
struct Head<'a> {
    version: u32,
    id: Option<&'a str>,
    status: Option<RecordedStatus>,
    bundle: Option<String>,
    rootfs: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    created: Option<String>,
    owner_uid: Option<u32>,
    process: Option<ProcessIdentity>,
    cgroups: Option<Vec<Cgroup<'a>>>,
}

/// `RecordedCgroup`, without copies.
#[derive(Deserialize)]
struct Cgroup<'a> {
    #[serde(borrow)]
    controllers: Vec<&'a str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Reads up to the last field that is needed, which is less than half of a record. A record is always written and replaced as a whole.
    fn of(text: &'a [u8]) -> Head<'a> {
        let mut head = Head::default();
        // An error is how the reading ends before the end of the text, or leaves a field empty.
        drop(serde_json::Deserializer::from_slice(text).deserialize_map(HeadFields(&mut head)));
        head
    }
}

struct HeadFields<'h, 'a>(&'h mut Head<'a>);

impl<'a> Visitor<'a> for HeadFields<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut record: A) -> Result<(), A::Error> {
        let head = self.0;
        while let Some(name) = record.next_key::<&str>()? {
            match name {
                "version" => head.version = record.next_value()?,
                "id" => head.id = Some(record.next_value()?),
                "status" => head.status = Some(record.next_value()?),
                "bundle" => head.bundle = Some(record.next_value()?),
                "rootfs" => head.rootfs = Some(record.next_value()?),
                "annotations" => head.annotations = Some(record.next_value()?),
                "created" => head.created = Some(record.next_value()?),
                "ownerUid" => head.owner_uid = Some(record.next_value()?),
                "process" => head.process = record.next_value()?,
                "cgroups" => {
                    head.cgroups = Some(record.next_value()?);
                    return Ok(());
                }
                _ => drop(record.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The names in a state root, sorted, with the containers whose state is settled: those that no create, start or delete can be changing. None for the
/// others, and for those that cannot be read; the core looks at each of these by itself.
///
/// # Errors
/// Those of opening the state root.
pub fn summaries(root: &str) -> Result<(Vec<String>, Vec<Option<ContainerSummary>>), Failure> {
    summaries_by(root, Kernel { shows_frozen: shows_frozen(&rustix::system::uname().release().to_string_lossy()) })
}

/// What depends on the kernel's version.
#[derive(Clone, Copy)]
struct Kernel {
    /// A process frozen by cgroup v1 is never shown as sleeping.
    shows_frozen: bool,
}

/// Since Linux 6.1 a frozen process is shown as uninterruptible or running. Before, one that was frozen in a freezable wait (nanosleep(2), poll(2),
/// futex(2)) is still shown as sleeping.
fn shows_frozen(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(1))
}

fn summaries_by(root: &str, kernel: Kernel) -> Result<(Vec<String>, Vec<Option<ContainerSummary>>), Failure> {
    let directory = state_root::open(root)?;
    let names = state_root::list_opened(&directory, root)?;
    // Failures are dropped: the core asks again for that container and gets the reason.
    let mut buffer = vec![0; USUAL_BYTES];
    let summaries = names.iter().map(|name| look_at(&directory, (root, name), &mut buffer, kernel).ok().flatten()).collect();
    Ok((names, summaries))
}

fn look_at(root: &OwnedFd, (root_path, id): (&str, &str), buffer: &mut [u8], kernel: Kernel) -> Result<Option<ContainerSummary>, Failure> {
    state_root::check_id(id)?;
    let path = || format!("{root_path}/{id}");
    // By name is safe: only trusted users can replace entries of the root.
    let directory = rustix::fs::statat(root, id, AtFlags::SYMLINK_NOFOLLOW).during(path)?;
    if FileType::from_raw_mode(directory.st_mode) != FileType::Directory || trust::distrust(&directory).is_some() {
        return Ok(None);
    }
    let Some(text) = read_state(root, id, buffer).during(path)? else { return Ok(None) };
    let head = Head::of(text);
    let Head { version: RECORD_VERSION, id: Some(recorded_id), status: Some(status), annotations, process: Some(process), cgroups: Some(cgroups), .. } = head
    else {
        return Ok(None);
    };
    let (Some(bundle), Some(rootfs), Some(created), Some(owner_uid)) = (head.bundle, head.rootfs, head.created, head.owner_uid) else { return Ok(None) };
    if recorded_id != id {
        return Ok(None);
    }
    let state = processes::state(&process)?;
    let alive = state.is_some();
    // Still `creating`, or a start may be in progress.
    if status != RecordedStatus::Running && alive {
        return Ok(None);
    }
    let freezer = cgroups.iter().find(|cgroup| cgroup.controllers.contains(&"freezer"));
    let freezer = freezer.or_else(|| cgroups.iter().find(|cgroup| cgroup.controllers.is_empty())).filter(|_| alive);
    let frozen = match freezer {
        // Saves reading the freezer's file, the most expensive step here.
        Some(freezer) if kernel.shows_frozen && !freezer.controllers.is_empty() && state == Some(b'S') => false,
        Some(freezer) => cgroup::frozen(&freezer.path)?,
        None => false,
    };
    Ok(Some(ContainerSummary { status, bundle, rootfs, annotations, created, owner_uid, pid: process.pid, alive, frozen }))
}

/// Reads state.json with one read(2). None if it is not trusted or does not fit the buffer.
fn read_state<'b>(root: &OwnedFd, id: &str, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, format!("{id}/{STATE}"), flags, Mode::empty())?;
    if trust::distrust(&rustix::fs::fstat(&file)?).is_some() {
        return Ok(None);
    }
    let count = rustix::io::read(&file, &mut *buffer)?;
    // A record that is cut is left to the core.
    Ok((count < buffer.len() && buffer[..count].last() == Some(&b'}')).then_some(&buffer[..count]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{directory_with, record, TempDir};
    use tsrunc_plan::record::RecordedCgroup;

    #[test]
    fn returns_settled_containers_and_leaves_the_rest_to_the_core() {
        let temp = TempDir::new();
        let write = |id: &str, text: &str| {
            std::fs::create_dir(format!("{}/{id}", temp.path())).unwrap();
            std::fs::write(format!("{}/{id}/state.json", temp.path()), text).unwrap();
        };
        let pid = std::process::id() as i32;
        let alive = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid).unwrap() };
        let reused = ProcessIdentity { pid, start_time_ticks: "1".into() };
        let text = |id: &str, status, process: Option<&ProcessIdentity>| {
            let mut record = record(id);
            (record.status, record.process) = (status, process.cloned());
            serde_json::to_string(&record).unwrap()
        };
        write("runs", &text("runs", RecordedStatus::Running, Some(&alive)));
        write("ended", &text("ended", RecordedStatus::Created, Some(&reused)));
        write("waits", &text("waits", RecordedStatus::Created, Some(&alive)));
        write("begins", &text("begins", RecordedStatus::Creating, None));
        write("older", &text("older", RecordedStatus::Running, Some(&alive)).replace("\"version\":2", "\"version\":1"));
        write("damaged", &text("damaged", RecordedStatus::Running, Some(&alive)).replace("\"cgroups\":[", "\"cgroup\":["));
        write("copied", &text("runs", RecordedStatus::Running, Some(&alive)));
        write("cut", text("cut", RecordedStatus::Running, Some(&alive)).strip_suffix('}').unwrap());
        write("empty", "");
        let (names, found) = summaries(temp.path()).unwrap();
        assert_eq!(names, ["begins", "copied", "cut", "damaged", "empty", "ended", "older", "runs", "waits"]);
        let found: Vec<_> = found.into_iter().map(|found| found.map(|found| (found.bundle, found.alive))).collect();
        let bundle = record("runs").bundle;
        assert_eq!(found, [None, None, None, None, None, Some((bundle.clone(), false)), None, Some((bundle, true)), None]);
    }

    #[test]
    fn a_sleeping_process_may_be_frozen_on_older_kernels() {
        let mut sleeper = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = sleeper.id() as i32;
        let process = ProcessIdentity { pid, start_time_ticks: processes::start_time(pid).unwrap() };
        while processes::state(&process).unwrap() != Some(b'S') {
            std::thread::yield_now();
        }
        let temp = TempDir::new();
        let cgroup = directory_with(&[("freezer.state", "FROZEN\n")]);
        let mut record = record("paused");
        (record.status, record.process) = (RecordedStatus::Running, Some(process));
        record.cgroups = vec![RecordedCgroup { controllers: vec!["freezer".into()], path: cgroup.path().into() }];
        std::fs::create_dir(format!("{}/paused", temp.path())).unwrap();
        std::fs::write(format!("{}/paused/state.json", temp.path()), serde_json::to_string(&record).unwrap()).unwrap();
        let frozen = |shows_frozen| summaries_by(temp.path(), Kernel { shows_frozen }).unwrap().1[0].as_ref().unwrap().frozen;
        let seen = (frozen(false), frozen(true));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(seen, (true, false));
        assert_eq!(
            ["5.10.0-28-amd64", "6.0.19", "6.1.0-18-amd64", "6.18.44-fc", "7.0", "10.0", ""].map(shows_frozen),
            [false, false, true, true, true, true, false]
        );
    }
}
