//! Finds out whether the OOM killer was at work in a cgroup (cgroup-v1/memory.rst; cgroup-v2.rst, "memory.events").

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};

use super::tree::read_at;

/// The files of one version of cgroups.
struct Files {
    /// Has a line `oom_kill N`.
    events: &'static str,
    /// The file that counts how often the limit was hit, and the text before the number.
    hits: (&'static str, &'static str),
    limit: &'static str,
    usage: &'static str,
    /// On v2 since Linux 5.19.
    peak: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files { events: "memory.events", hits: ("memory.events", "max "), limit: "memory.max", usage: "memory.current", peak: "memory.peak" },
    Files {
        events: "memory.oom_control",
        hits: ("memory.failcnt", ""),
        limit: "memory.limit_in_bytes",
        usage: "memory.usage_in_bytes",
        peak: "memory.max_usage_in_bytes",
    },
];

/// runc's error text for an OOM kill, which managers look for, if the OOM killer killed a process of one of these cgroups. None if it did
/// not, or if that cannot be found out.
pub fn describe_oom<'a>(cgroups: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let amounts = amounts_of_first(cgroups, |directory, files| counter(directory, files.events, "oom_kill ") > 0)?;
    Some(format!("container init was OOM-killed (memory limit too low?): {amounts}"))
}

/// Limit and usage of the first of these cgroups that has ever hit its limit, where the kernel fails allocations or kills.
pub fn full_memory<'a>(cgroups: impl IntoIterator<Item = &'a str>) -> Option<String> {
    amounts_of_first(cgroups, |directory, files| counter(directory, files.hits.0, files.hits.1) > 0)
}

fn amounts_of_first<'a>(cgroups: impl IntoIterator<Item = &'a str>, predicate: impl Fn(BorrowedFd<'_>, &Files) -> bool) -> Option<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    cgroups.into_iter().find_map(|path| {
        let directory = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        let files = VERSIONS.iter().find(|files| predicate(directory.as_fd(), files))?;
        let of = |name: &str, file: &str| Some(format!("{name} {}", bytes(read(directory.as_fd(), file)?.trim())));
        let amounts = [of("limit", files.limit), of("current usage", files.usage), of("peak usage", files.peak)];
        Some(amounts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    })
}

/// The number in the line that starts with `prefix`, 0 if absent.
fn counter(directory: BorrowedFd<'_>, file: &str, prefix: &str) -> u64 {
    let text = read(directory, file).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(prefix)?.parse().ok()).unwrap_or(0)
}

fn read(directory: BorrowedFd<'_>, file: &str) -> Option<String> {
    read_at(directory, file).ok().flatten()
}

/// v1 shows the largest multiple of the page size for "no limit".
fn bytes(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number < 1 << 62 => format!("{number} bytes"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::directory_with as cgroup;

    fn with(files: &[(&str, &str)]) -> Option<String> {
        describe_oom(["/nowhere", cgroup(files).path()])
    }

    #[test]
    fn full_memory_reports_limit_and_usage() {
        let full = |files: &[(&str, &str)]| full_memory([cgroup(files).path()]);
        let version2 = [("memory.events", "max 3\noom 0\noom_kill 0\n"), ("memory.max", "4096\n"), ("memory.current", "0\n"), ("memory.peak", "4096\n")];
        assert_eq!(full(&version2).as_deref(), Some("limit 4096 bytes, current usage 0 bytes, peak usage 4096 bytes"));
        assert_eq!(full(&[("memory.failcnt", "2\n"), ("memory.limit_in_bytes", "8192\n")]).as_deref(), Some("limit 8192 bytes"));
        assert_eq!(full(&[("memory.events", "max 0\n"), ("memory.max", "max\n")]), None);
        assert_eq!(full(&[("memory.failcnt", "0\n")]), None);
    }

    #[test]
    fn describe_oom_reports_limit_and_usage_on_both_versions() {
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
    fn describe_oom_is_none_without_an_oom_kill() {
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("memory.events", "oom 1\noom_kill 0\n")]), None);
        assert_eq!(with(&[("memory.oom_control", "under_oom 0\n")]), None);
    }
}
