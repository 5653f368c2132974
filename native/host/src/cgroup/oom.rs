//! Tells who was killed for want of memory from who was killed by somebody (cgroup-v1/memory.rst; cgroup-v2.rst, "memory.events").

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};

use super::tree::read_at;

/// The files of one version of cgroups.
struct Files {
    /// Has a line `oom_kill N`.
    events: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// Linux 5.19 and later on v2.
    peak: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files { events: "memory.events", limit: "memory.max", usage: "memory.current", peak: "memory.peak" },
    Files { events: "memory.oom_control", limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes" },
];

/// Says that the OOM killer took a process of one of these cgroups, in runc's words, which managers look for. None where it took none,
/// and where that cannot be known.
pub fn describe_oom<'a>(cgroups: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    cgroups.into_iter().find_map(|path| {
        let directory = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        VERSIONS.iter().find_map(|files| describe(directory.as_fd(), files))
    })
}

fn describe(directory: BorrowedFd<'_>, files: &Files) -> Option<String> {
    let read = |file: &str| read_at(directory, file).ok().flatten();
    let kills: u64 = read(files.events)?.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()?;
    if kills == 0 {
        return None;
    }
    let mut text = "container init was OOM-killed (memory limit too low?)".to_owned();
    let mut separator = ": ";
    for (name, file) in [("limit", files.limit), ("current usage", files.usage), ("peak usage", files.peak)] {
        let Some(value) = read(file) else { continue };
        text += &format!("{separator}{name} {}", bytes(value.trim()));
        separator = ", ";
    }
    Some(text)
}

/// v1 has the largest number of whole pages for "no limit".
fn bytes(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number < 1 << 62 => format!("{number} bytes"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn with(files: &[(&str, &str)]) -> Option<String> {
        let temp = TempDir::new();
        for (name, content) in files {
            std::fs::write(format!("{}/{name}", temp.path()), content).unwrap();
        }
        describe_oom(["/nowhere", temp.path()])
    }

    #[test]
    fn says_limit_and_usage_as_the_kernel_has_them() {
        let version2 = [("memory.events", "low 0\noom 2\noom_kill 1\noom_group_kill 0\n"), ("memory.max", "8192\n"), ("memory.current", "0\n")];
        let text = "container init was OOM-killed (memory limit too low?): limit 8192 bytes, current usage 0 bytes";
        assert_eq!(with(&version2).as_deref(), Some(text));
        let version1 = [
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.max_usage_in_bytes", "12288\n"),
        ];
        let text = "container init was OOM-killed (memory limit too low?): limit none, current usage 4096 bytes, peak usage 12288 bytes";
        assert_eq!(with(&version1).as_deref(), Some(text));
    }

    #[test]
    fn says_nothing_where_nobody_was_killed_for_memory() {
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("memory.events", "oom 1\noom_kill 0\n")]), None);
        assert_eq!(with(&[("memory.oom_control", "under_oom 0\n")]), None);
    }
}
