//! Changes the limits of an existing container: all of a `LimitChange`, or nothing.

use tsrunc_plan::cgroup::CgroupWrite;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::update::{LimitChange, LimitWrite};

use crate::{cgroup, resctrl, systemd};

/// Makes a change.
///
/// # Errors
/// The step that failed, after the earlier ones were undone. If undoing failed too, the error says so.
pub fn change(change: &LimitChange) -> Result<(), Failure> {
    let mut applied = Applied::default();
    apply(change, &mut applied).map_err(|failure| applied.undo(failure))
}

/// The steps done so far.
#[derive(Default)]
struct Applied<'a> {
    unit: Option<systemd::PreviousProperties>,
    writes: Vec<&'a LimitWrite>,
    schemata: Option<resctrl::PreviousSchemata>,
}

fn apply<'a>(change: &'a LimitChange, applied: &mut Applied<'a>) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for directory in &change.directories {
        cgroup::enable_above(directory, &mut refused)?;
    }
    cgroup::require_files(change.writes.iter().map(|limit| &limit.write), &refused)?;
    if let Some(unit) = &change.unit {
        systemd::change(unit, &mut applied.unit)?;
    }
    for limit in &change.writes {
        let result = cgroup::write_values(std::slice::from_ref(&limit.write), &refused);
        // A single value was refused as a whole. Of several values, those before the refused one were accepted.
        if result.is_ok() || !limit.write.more.is_empty() {
            applied.writes.push(limit);
        }
        result?;
    }
    if let Some(schemata) = &change.schemata {
        resctrl::change(schemata, &mut applied.schemata)?;
    }
    // Last, because the filter is replaced atomically and needs no undo.
    match &change.device_filter {
        Some(filter) => cgroup::replace_device_filter(&filter.cgroup, &filter.rules),
        None => Ok(()),
    }
}

impl Applied<'_> {
    /// Undoes every step, even after one has failed. The unit comes before the cgroup files, because systemd would overwrite those.
    fn undo(self, failure: Failure) -> Failure {
        let mut failures = Vec::new();
        let mut collect = |result: Result<(), Failure>| failures.extend(result.err().map(|failure| failure.to_string()));
        if let Some(schemata) = self.schemata {
            collect(schemata.restore());
        }
        if let Some(unit) = self.unit {
            collect(unit.restore());
        }
        for restore in self.writes.iter().rev().flat_map(|limit| &limit.restore) {
            collect(write_back(restore));
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

    /// Files that contain "0"; a write of one digit replaces it.
    fn files(temp: &TempDir, names: [&str; 2]) -> [String; 2] {
        names.map(|name| {
            let path = format!("{}/{name}", temp.path());
            std::fs::write(&path, "0").unwrap();
            path
        })
    }

    #[test]
    fn a_failure_restores_every_file() {
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
    fn a_missing_file_is_an_error_before_anything_is_written() {
        let temp = TempDir::new();
        let [a, _] = files(&temp, ["a", "b"]);
        let missing = format!("{}/c", temp.path());
        // `a` has no `restore`, so a write to it would remain visible.
        let writes = vec![LimitWrite { write: write(&a, "1"), restore: Vec::new() }, limit(&missing, "2", "0")];
        let failure = change(&LimitChange { writes, ..LimitChange::default() }).unwrap_err();
        assert_eq!(failure.to_string(), "write \"c\" = \"2\" (--flag): this kernel has no such file in a cgroup");
        assert_eq!(std::fs::read_to_string(a).unwrap(), "0");
    }

    #[test]
    fn a_refused_value_is_not_undone_but_earlier_values_of_the_same_file_are() {
        // Restoring a file that cannot be written would fail too and obscure the reason.
        let refused = LimitWrite { write: write("/dev/full", "3"), restore: vec![write("/dev/full", "0")] };
        let failure = change(&LimitChange { writes: vec![refused], ..LimitChange::default() }).unwrap_err();
        assert_eq!(failure.to_string(), "write \"full\" = \"3\" (--flag): ENOSPC (no space left on device)");
        let several = CgroupWrite { more: vec!["4".into()], ..write("/dev/full", "3") };
        let several = LimitWrite { write: several, restore: vec![write("/dev/full", "0")] };
        let failure = change(&LimitChange { writes: vec![several], ..LimitChange::default() }).unwrap_err();
        assert!(failure.cause.contains("undoing it failed too"), "{failure}");
    }

    #[test]
    fn a_failed_undo_is_reported_with_the_first_failure() {
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
