//! Changes limits of a container that exists: all of a change, or none (`LimitChange`).

use tsrunc_plan::cgroup::CgroupWrite;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::update::{LimitChange, LimitWrite};

use crate::{cgroup, resctrl, systemd};

/// Carries a change out.
///
/// # Errors
/// The first step that failed, once those before it are undone. Where that fails too, the error says so.
pub fn change(change: &LimitChange) -> Result<(), Failure> {
    let mut done = Done::default();
    apply(change, &mut done).map_err(|failure| done.undo(failure))
}

/// What has been done so far.
#[derive(Default)]
struct Done<'a> {
    unit: Option<systemd::PreviousProperties>,
    writes: Vec<&'a LimitWrite>,
    schemata: Option<resctrl::PreviousSchemata>,
}

fn apply<'a>(change: &'a LimitChange, done: &mut Done<'a>) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for directory in &change.directories {
        cgroup::enable_above(directory, &mut refused)?;
    }
    cgroup::require_files(change.writes.iter().map(|limit| &limit.write), &refused)?;
    if let Some(unit) = &change.unit {
        systemd::change(unit, &mut done.unit)?;
    }
    for limit in &change.writes {
        let result = cgroup::write_values(std::slice::from_ref(&limit.write), &refused);
        // The kernel takes or refuses a value as a whole; of several the first may have been taken.
        if result.is_ok() || !limit.write.more.is_empty() {
            done.writes.push(limit);
        }
        result?;
    }
    if let Some(schemata) = &change.schemata {
        resctrl::change(schemata, &mut done.schemata)?;
    }
    // Last: the kernel replaces a filter at once, so there is nothing to undo.
    match &change.device_filter {
        Some(filter) => cgroup::replace_device_filter(&filter.cgroup, &filter.rules),
        None => Ok(()),
    }
}

impl Done<'_> {
    /// Undoes everything, whatever fails of it. The unit comes before the files, which systemd would write again.
    fn undo(self, failure: Failure) -> Failure {
        let mut failures = Vec::new();
        let mut note = |result: Result<(), Failure>| failures.extend(result.err().map(|failure| failure.to_string()));
        if let Some(schemata) = self.schemata {
            note(schemata.restore());
        }
        if let Some(unit) = self.unit {
            note(unit.restore());
        }
        for restore in self.writes.iter().rev().flat_map(|limit| &limit.restore) {
            note(write_back(restore));
        }
        failure.after_undoing(if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) })
    }
}

fn write_back(write: &CgroupWrite) -> Result<(), Failure> {
    cgroup::write_values(std::slice::from_ref(write), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn write(path: &str, value: &str) -> CgroupWrite {
        CgroupWrite { path: path.into(), value: value.into(), more: Vec::new(), pointer: "--flag".into(), if_missing: None, may_be_denied: 0, at_least: None }
    }

    fn limit(path: &str, value: &str, before: &str) -> LimitWrite {
        LimitWrite { write: write(path, value), restore: vec![write(path, before)] }
    }

    /// Files of one digit each: what is written replaces it.
    fn files(temp: &TempDir, names: [&str; 2]) -> [String; 2] {
        names.map(|name| {
            let path = format!("{}/{name}", temp.path());
            std::fs::write(&path, "0").unwrap();
            path
        })
    }

    #[test]
    fn a_failure_half_way_leaves_every_file_as_it_was() {
        let temp = TempDir::new();
        let [a, b] = files(&temp, ["a", "b"]);
        let writes = vec![limit(&a, "1", "0"), limit(&b, "2", "0"), LimitWrite { write: write("/dev/full", "3"), restore: Vec::new() }];
        let failure = change(&LimitChange { writes, ..LimitChange::default() }).unwrap_err();
        assert_eq!(failure.to_string(), "write \"full\" = \"3\" (--flag): ENOSPC (no space left on device)");
        for path in [a, b] {
            assert_eq!(std::fs::read_to_string(path).unwrap(), "0");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_an_error_before_anything_is_written() {
        let temp = TempDir::new();
        let [a, _] = files(&temp, ["a", "b"]);
        let missing = format!("{}/c", temp.path());
        // Without a way back: what was written would stay.
        let writes = vec![LimitWrite { write: write(&a, "1"), restore: Vec::new() }, limit(&missing, "2", "0")];
        let failure = change(&LimitChange { writes, ..LimitChange::default() }).unwrap_err();
        assert_eq!(failure.to_string(), "write \"c\" = \"2\" (--flag): this kernel has no such file in a cgroup");
        assert_eq!(std::fs::read_to_string(a).unwrap(), "0");
    }

    #[test]
    fn a_value_that_was_refused_is_not_undone_but_those_before_it_in_the_same_file_are() {
        // What cannot be written to cannot be written back to either: that would hide the reason.
        let refused = LimitWrite { write: write("/dev/full", "3"), restore: vec![write("/dev/full", "0")] };
        let failure = change(&LimitChange { writes: vec![refused], ..LimitChange::default() }).unwrap_err();
        assert_eq!(failure.to_string(), "write \"full\" = \"3\" (--flag): ENOSPC (no space left on device)");
        let several = CgroupWrite { more: vec!["4".into()], ..write("/dev/full", "3") };
        let several = LimitWrite { write: several, restore: vec![write("/dev/full", "0")] };
        let failure = change(&LimitChange { writes: vec![several], ..LimitChange::default() }).unwrap_err();
        assert!(failure.cause.contains("undoing it failed too"), "{failure}");
    }

    #[test]
    fn what_cannot_be_undone_is_told_with_the_first_failure() {
        let temp = TempDir::new();
        let [a, _] = files(&temp, ["a", "b"]);
        let writes = vec![
            LimitWrite { write: write(&a, "1"), restore: vec![write("/dev/full", "0"), write(&a, "0")] },
            LimitWrite { write: write("/dev/full", "3"), restore: Vec::new() },
        ];
        let failure = change(&LimitChange { writes, ..LimitChange::default() }).unwrap_err();
        let again = "undoing it failed too: write \"full\" = \"0\" (--flag): ENOSPC (no space left on device)";
        assert_eq!(failure.cause, format!("ENOSPC (no space left on device); {again}"));
        assert_eq!(std::fs::read_to_string(a).unwrap(), "0");
    }
}
