//! The processes and threads in a cgroup tree.

use std::collections::BTreeSet;
use std::path::Path;

use tsrunc_plan::failure::Failure;

use super::tree::{read_at, walk};

/// The pids in a cgroup and those below. The kernel lists 0 for a process outside of our pid namespace; those are left out.
pub fn processes(path: &Path) -> Result<Vec<i32>, Failure> {
    let mut pids = Vec::new();
    walk(path, &mut |cgroup| {
        let positive = |listed: String| -> Vec<i32> { listed.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect() };
        match read_at(cgroup.directory, "cgroup.procs") {
            // The processes of a threaded cgroup cannot be read, only its threads (cgroup-v2.rst, "Threads").
            Err(failure) if failure.errno.as_deref() == Some("EOPNOTSUPP") => {
                let threads = positive(read_at(cgroup.directory, "cgroup.threads")?.unwrap_or_default());
                pids.extend(threads.into_iter().filter_map(process_of));
            }
            listed => pids.extend(positive(listed?.unwrap_or_default())),
        }
        Ok(())
    })?;
    Ok(pids)
}

/// The process that a thread belongs to, None if the thread has ended.
fn process_of(thread: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// The ids of all threads in a cgroup of v1 or v2 and in those below.
pub fn threads(cgroup: &str) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    walk(Path::new(cgroup), &mut |visited| {
        let text = match read_at(visited.directory, "cgroup.threads")? {
            Some(text) => text,
            None => read_at(visited.directory, "tasks")?.unwrap_or_default(),
        };
        found.extend(text.split_whitespace().map(str::to_owned));
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_belongs_to_its_process() {
        let thread = std::thread::spawn(|| process_of(rustix::thread::gettid().as_raw_nonzero().get())).join().unwrap();
        assert_eq!(thread, Some(std::process::id() as i32));
        assert_eq!(process_of(i32::MAX), None);
    }
}
