//! Puts a container into a class of service of Intel RDT, and changes the schemata of a class (config-linux.md#intelrdt;
//! Documentation/filesystems/resctrl.rst). Runs in the runtime's own process.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_common::mountinfo;
use tsrunc_plan::container::ResctrlPlan;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::update::SchemataChange;
use tsrunc_sys::errno::During;

use crate::cgroup;

/// The mount point of the last mounted file system of this type, empty if there is none.
pub fn find_mount(fs_type: &str) -> Result<String, Failure> {
    let table = mountinfo::read().during(|| "read \"/proc/self/mountinfo\"".into())?;
    let found = table.into_iter().rfind(|entry| entry.fs_type == fs_type);
    Ok(found.map(|entry| String::from_utf8_lossy(&entry.point).into_owned()).unwrap_or_default())
}

/// Makes the container's groups and puts its process, which still is single-threaded, into them. The undo list of the container's state removes the
/// groups.
///
/// # Errors
/// The kernel's error with the reason in `info/last_cmd_status`; an existing class whose schemata differ from the plan's.
pub fn assign(plan: &ResctrlPlan, pid: i32) -> Result<(), Failure> {
    make(plan)?;
    fill(plan, pid)
}

fn make(plan: &ResctrlPlan) -> Result<(), Failure> {
    let make = plan.make.then_some((&plan.group, "/linux/intelRdt/closID"));
    let monitor = plan.monitor.as_ref().map(|path| (path, "/linux/intelRdt/enableMonitoring"));
    for (path, pointer) in make.into_iter().chain(monitor) {
        rustix::fs::mkdir(path.as_str(), Mode::from_raw_mode(0o755))
            .map_err(|errno| explained(&plan.mountpoint, format!("make {path:?} ({pointer})"), errno))?;
    }
    Ok(())
}

fn fill(plan: &ResctrlPlan, pid: i32) -> Result<(), Failure> {
    let schemata = format!("{}/schemata", plan.group);
    if !plan.compare.is_empty() {
        let found = std::fs::read_to_string(&schemata).during(|| format!("read {schemata:?}"))?;
        for wanted in plan.compare.iter().flat_map(|lines| lines.lines()) {
            if !agrees(wanted, &found) {
                let cause = format!("the class exists and its schemata do not contain {wanted:?}");
                return Err(Failure::new(FailureCode::Other, format!("use {:?} (/linux/intelRdt/closID)", plan.group), cause));
            }
        }
    }
    for lines in &plan.schemata {
        write(&plan.mountpoint, &schemata, lines, "/linux/intelRdt")?;
    }
    // The class first, because a monitoring group accepts only processes of its own class.
    for group in [Some(&plan.group), plan.monitor.as_ref()].into_iter().flatten() {
        write(&plan.mountpoint, &format!("{group}/tasks"), &pid.to_string(), "/linux/intelRdt")?;
    }
    Ok(())
}

/// Uses one write(2), which the kernel accepts or refuses as a whole.
fn write(mountpoint: &str, path: &str, text: &str, pointer: &str) -> Result<(), Failure> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let written = file.and_then(|file| rustix::io::write(&file, text.as_bytes()));
    written.map(drop).map_err(|errno| explained(mountpoint, format!("write {text:?} to {path:?} ({pointer})"), errno))
}

/// Adds the kernel's reason from `info/last_cmd_status`.
fn explained(mountpoint: &str, operation: String, errno: Errno) -> Failure {
    let mut failure = tsrunc_sys::errno::os_failure(operation, errno);
    if let Ok(status) = std::fs::read_to_string(Path::new(mountpoint).join("info/last_cmd_status")) {
        if !matches!(status.trim(), "" | "ok") {
            failure.cause = format!("{}: {}", failure.cause, status.trim());
        }
    }
    failure
}

/// Whether schemata contain each domain of a line with the same value; `L3:0=00f` equals `L3:0=f`.
fn agrees(wanted: &str, schemata: &str) -> bool {
    let Some((resource, domains)) = wanted.split_once(':') else { return false };
    let Some(found) = schemata.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == resource.trim()) else { return false };
    let has = |wanted: (u64, u64)| found.1.split(';').filter_map(|part| domain(resource, part)).any(|domain| domain == wanted);
    domains.split(';').filter(|part| !part.trim().is_empty()).all(|part| domain(resource, part).is_some_and(has))
}

/// A domain's number and value: a hexadecimal bit mask, or a decimal number for memory bandwidth.
fn domain(resource: &str, part: &str) -> Option<(u64, u64)> {
    let (number, value) = part.split_once('=')?;
    let radix = if resource.trim().starts_with("MB") { 10 } else { 16 };
    Some((number.trim().parse().ok()?, u64::from_str_radix(value.trim(), radix).ok()?))
}

/// The schemata of a class before a change.
pub struct PreviousSchemata {
    mountpoint: String,
    group: String,
    /// None if the class did not exist.
    schemata: Option<String>,
}

impl PreviousSchemata {
    /// Restores the schemata, or removes the class if it was new.
    pub fn restore(self) -> Result<(), Failure> {
        match self.schemata {
            Some(text) => write(&self.mountpoint, &format!("{}/schemata", self.group), &text, "/linux/intelRdt"),
            None => remove(&self.group),
        }
    }
}

/// Changes lines of a class's schemata. A container without a class is moved into a new one. Sets `previous` before anything changes, so that a
/// failed change can be undone.
///
/// # Errors
/// The kernel's error with its reason.
pub fn change(change: &SchemataChange, previous: &mut Option<PreviousSchemata>) -> Result<(), Failure> {
    let SchemataChange { mountpoint, group, make, cgroup, lines } = change;
    let before = |schemata| Some(PreviousSchemata { mountpoint: mountpoint.clone(), group: group.clone(), schemata });
    if *make {
        rustix::fs::mkdir(group.as_str(), Mode::from_raw_mode(0o755)).map_err(|errno| explained(mountpoint, format!("make {group:?}"), errno))?;
        *previous = before(None);
    } else {
        let path = format!("{group}/schemata");
        *previous = before(Some(std::fs::read_to_string(&path).during(|| format!("read {path:?}"))?));
    }
    for line in lines {
        write(mountpoint, &format!("{group}/schemata"), &format!("{}\n", line.text), &line.pointer)?;
    }
    match make {
        true => adopt(mountpoint, group, cgroup),
        false => Ok(()),
    }
}

/// Moves every thread of a cgroup tree into a class. Repeats until no new threads are found, because threads may create others meanwhile.
fn adopt(mountpoint: &str, group: &str, cgroup: &str) -> Result<(), Failure> {
    let mut moved = BTreeSet::new();
    loop {
        let found = cgroup::threads(cgroup)?;
        let new: Vec<String> = found.difference(&moved).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        for thread in new {
            match write(mountpoint, &format!("{group}/tasks"), &thread, "/linux/intelRdt") {
                // The thread has exited.
                Err(failure) if failure.errno.as_deref() == Some("ESRCH") => {}
                result => result?,
            }
            moved.insert(thread);
        }
    }
}

/// Removes a group. The kernel moves its processes to the parent group.
pub fn remove(path: &str) -> Result<(), Failure> {
    match rustix::fs::rmdir(path) {
        Err(Errno::NOENT) => Ok(()),
        result => result.during(|| format!("remove {path:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use tsrunc_plan::update::SchemataLine;

    /// Makes group directories with the files that the kernel would make.
    fn fake(root: &TempDir, groups: &[&str]) {
        for group in groups {
            let group = Path::new(root.path()).join(group);
            std::fs::create_dir_all(&group).unwrap();
            std::fs::write(group.join("tasks"), "").unwrap();
            std::fs::write(group.join("schemata"), "    MB:0=100;1=100\n    L3:0=07ff;1=07ff\n").unwrap();
        }
    }

    fn plan(root: &TempDir, group: &str) -> ResctrlPlan {
        let group = format!("{}/{group}", root.path());
        ResctrlPlan { mountpoint: root.path().into(), group, make: false, compare: Vec::new(), schemata: Vec::new(), monitor: None }
    }

    fn read(root: &TempDir, file: &str) -> String {
        std::fs::read_to_string(Path::new(root.path()).join(file)).unwrap()
    }

    #[test]
    fn writes_schemata_in_order_and_the_process_to_class_and_monitor() {
        let root = TempDir::new();
        fake(&root, &["gold"]);
        std::fs::create_dir(format!("{}/gold/mon_groups", root.path())).unwrap();
        let monitor = format!("{}/gold/mon_groups/c1", root.path());
        let plan = ResctrlPlan { schemata: vec!["L3:0=f\n".into(), "MB:0=50\n".into()], monitor: Some(monitor), ..plan(&root, "gold") };
        make(&plan).unwrap();
        fake(&root, &["gold/mon_groups/c1"]);
        std::fs::write(format!("{}/gold/schemata", root.path()), "").unwrap();
        fill(&plan, 4321).unwrap();
        // The file is opened for each line, so in a plain file the last one remains.
        assert_eq!(read(&root, "gold/schemata"), "MB:0=50\n");
        assert_eq!((read(&root, "gold/tasks"), read(&root, "gold/mon_groups/c1/tasks")), ("4321".into(), "4321".into()));
    }

    #[test]
    fn makes_a_class_that_is_missing_and_removes_it() {
        let root = TempDir::new();
        let plan = ResctrlPlan { make: true, ..plan(&root, "c1") };
        make(&plan).unwrap();
        assert!(Path::new(&plan.group).is_dir());
        let failure = assign(&plan, 1).unwrap_err();
        assert_eq!(failure.to_string(), format!("make {:?} (/linux/intelRdt/closID): EEXIST (file exists)", plan.group));
        remove(&plan.group).unwrap();
        remove(&plan.group).unwrap();
        assert!(!Path::new(&plan.group).exists());
    }

    #[test]
    fn an_existing_class_must_have_the_same_schemata() {
        let root = TempDir::new();
        fake(&root, &["gold"]);
        let with = |line: &str| ResctrlPlan { compare: vec![line.into()], ..plan(&root, "gold") };
        fill(&with("L3:0=7ff;1=07ff"), 1).unwrap();
        fill(&with("MB:1=100"), 1).unwrap();
        for line in ["L3:0=7f", "MB:0=50", "L3:2=7ff", "L2:0=f", "MB:0=x"] {
            let failure = fill(&with(line), 2).unwrap_err();
            assert_eq!(failure.cause, format!("the class exists and its schemata do not contain {line:?}"));
        }
        assert_eq!(read(&root, "gold/tasks"), "1");
    }

    #[test]
    fn reports_the_kernels_reason() {
        let root = TempDir::new();
        std::fs::create_dir_all(format!("{}/info", root.path())).unwrap();
        std::fs::write(format!("{}/info/last_cmd_status", root.path()), "Out of CLOSIDs\n").unwrap();
        let failure = fill(&ResctrlPlan { schemata: vec!["L3:0=0\n".into()], ..plan(&root, "gone") }, 1).unwrap_err();
        assert_eq!(failure.cause, "ENOENT (no such file or directory): Out of CLOSIDs");
    }

    fn changed(root: &TempDir, lines: &[&str]) -> (Result<(), Failure>, Option<PreviousSchemata>) {
        let lines = lines.iter().map(|text| SchemataLine { text: (*text).into(), pointer: "--l3-cache-schema".into() }).collect();
        let group = format!("{}/gold", root.path());
        let mut previous = None;
        let wanted = SchemataChange { mountpoint: root.path().into(), group, make: false, cgroup: String::new(), lines };
        (change(&wanted, &mut previous), previous)
    }

    #[test]
    fn changes_the_schemata_of_a_class_and_restores_them() {
        let root = TempDir::new();
        fake(&root, &["gold"]);
        std::fs::write(format!("{}/gold/schemata", root.path()), "L3:0=7ff\n").unwrap();
        let (result, previous) = changed(&root, &["L3:0=00f"]);
        result.unwrap();
        assert_eq!(read(&root, "gold/schemata"), "L3:0=00f\n");
        previous.unwrap().restore().unwrap();
        assert_eq!(read(&root, "gold/schemata"), "L3:0=7ff\n");
    }

    #[test]
    fn a_class_made_for_a_failed_change_is_removed() {
        let root = TempDir::new();
        let group = format!("{}/c1", root.path());
        let lines = vec![SchemataLine { text: "L3:0=f".into(), pointer: "--l3-cache-schema".into() }];
        let wanted = SchemataChange { mountpoint: root.path().into(), group: group.clone(), make: true, cgroup: String::new(), lines };
        let mut previous = None;
        // A plain directory has no file "schemata".
        let failure = change(&wanted, &mut previous).unwrap_err();
        assert_eq!(failure.to_string(), format!("write \"L3:0=f\\n\" to \"{group}/schemata\" (--l3-cache-schema): ENOENT (no such file or directory)"));
        previous.unwrap().restore().unwrap();
        assert!(!Path::new(&group).exists());
    }

    #[test]
    fn moves_every_thread_of_a_cgroup_tree() {
        let (root, cgroup) = (TempDir::new(), TempDir::new());
        fake(&root, &["gold"]);
        std::fs::create_dir(format!("{}/sub", cgroup.path())).unwrap();
        std::fs::write(format!("{}/cgroup.threads", cgroup.path()), "").unwrap();
        std::fs::write(format!("{}/sub/cgroup.threads", cgroup.path()), "43\n").unwrap();
        adopt(root.path(), &format!("{}/gold", root.path()), cgroup.path()).unwrap();
        assert_eq!(read(&root, "gold/tasks"), "43");
    }

    #[test]
    fn finds_a_mount_by_its_type() {
        assert_eq!(find_mount("proc").unwrap().split('/').nth(1), Some("proc"));
        assert_eq!(find_mount("no-such-type").unwrap(), "");
    }
}
