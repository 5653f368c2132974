//! The threads in a cgroup.

use std::collections::BTreeSet;
use std::path::Path;

use tsrunc_plan::failure::Failure;

use super::tree::{read_at, walk};

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
