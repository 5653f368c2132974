//! Facts about the host that plans depend on.

use rustix::fs::{Mode, OFlags};
use rustix::thread::{capability_is_in_bounding_set, CapabilitySet};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::host_facts::{CgroupMode, Hierarchy, HostFacts};
use tsrunc_sys::errno::During;

use crate::cgroup::{CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// Finds the facts. Reads the mount table only if hierarchies are not at their usual places, because a host may have thousands of mounts.
pub fn host_facts() -> Result<HostFacts, Failure> {
    let own = read_if_there("/proc/self/cgroup")?.unwrap_or_default();
    let (cgroup_mode, hierarchies) = hierarchies(&own)?;
    let v2_controllers = match hierarchies.iter().find(|hierarchy| hierarchy.controllers.is_empty()) {
        Some(unified) => read(&format!("{}/cgroup.controllers", unified.mountpoint))?.split_whitespace().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let last_capability = last_capability();
    let permitted = rustix::thread::capabilities(None).during(|| "find the caller's capabilities".into())?.permitted.bits();
    Ok(HostFacts {
        euid: rustix::process::geteuid().as_raw(),
        egid: rustix::process::getegid().as_raw(),
        // The file is missing on kernels without user namespaces.
        in_user_namespace: read_if_there("/proc/self/uid_map")?.is_some_and(|map| !is_initial_map(&map)),
        cgroup_mode,
        hierarchies,
        v2_controllers,
        last_capability,
        missing_capabilities: (0..=last_capability.min(63)).filter(|bit| permitted & (1 << bit) == 0).collect(),
    })
}

/// The text of a kernel file. Avoids the small first read that `std::fs::read_to_string` does for files of size 0.
fn read(path: &str) -> Result<String, Failure> {
    let during = || format!("read {path:?}");
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let mut bytes = Vec::with_capacity(4096);
    while rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)).during(during)? > 0 {
        bytes.reserve(4096);
    }
    String::from_utf8(bytes).map_err(|error| Failure::new(FailureCode::NotUtf8, during(), error.to_string()))
}

/// The text of a file that some kernels lack.
fn read_if_there(path: &str) -> Result<Option<String>, Failure> {
    match read(path) {
        Err(failure) if failure.errno.as_deref() == Some("ENOENT") => Ok(None),
        result => result.map(Some),
    }
}

/// The highest capability that the kernel knows. Without /proc/sys, which a sandbox may hide, tries each one.
fn last_capability() -> u32 {
    let found = read("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse().ok());
    found.unwrap_or_else(|| (0..64).take_while(|capability| knows_capability(*capability)).last().unwrap_or(0))
}

/// Whether the kernel knows a capability of this number.
fn knows_capability(capability: u32) -> bool {
    capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << capability)).is_ok()
}

/// The initial user namespace maps every id to itself.
fn is_initial_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn magic(path: &str) -> Option<u64> {
    rustix::fs::statfs(path).ok().map(|found| found.f_type as u64)
}

fn hierarchies(own: &str) -> Result<(CgroupMode, Vec<Hierarchy>), Failure> {
    if magic(CGROUP_ROOT) == Some(CGROUP2_SUPER_MAGIC) {
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        return Ok((CgroupMode::V2, vec![hierarchy(&[], CGROUP_ROOT.into(), path)?]));
    }
    let mut found = Vec::new();
    let mut elsewhere = Vec::new();
    for line in own.lines() {
        let Some((controllers, path)) = line.split_once(':').and_then(|(_, rest)| rest.split_once(':')) else { continue };
        let controllers: Vec<&str> = controllers.split(',').filter(|name| !name.is_empty()).collect();
        match usual_place(&controllers) {
            Some(mountpoint) => found.push(hierarchy(&controllers, mountpoint, path)?),
            // Every kernel lists cgroup2, but next to v1 it is either at systemd's place or not mounted.
            None if controllers.is_empty() => {}
            None => elsewhere.push((controllers, path)),
        }
    }
    if !elsewhere.is_empty() {
        let table = read(MOUNT_TABLE)?;
        for (controllers, path) in elsewhere {
            if let Some(mountpoint) = place_in_table(&table, &controllers) {
                found.push(hierarchy(&controllers, mountpoint, path)?);
            }
        }
    }
    let mode = match (found.is_empty(), found.iter().any(|hierarchy| hierarchy.controllers.is_empty())) {
        (true, _) => CgroupMode::None,
        (false, true) => CgroupMode::Hybrid,
        (false, false) => CgroupMode::V1,
    };
    Ok((mode, found))
}

/// `own` is the caller's cgroup, relative to the hierarchy's root (proc_pid_cgroup(5)). The reply has it relative to the mount's root.
fn hierarchy(controllers: &[&str], mountpoint: String, own: &str) -> Result<Hierarchy, Failure> {
    let is_visible = |path: &str| rustix::fs::access(format!("{mountpoint}{path}"), rustix::fs::Access::EXISTS).is_ok();
    let own = if own == "/" || (!own.starts_with("/..") && is_visible(own)) { own.to_owned() } else { below_mount(&read(MOUNT_TABLE)?, &mountpoint, own) };
    Ok(Hierarchy { controllers: controllers.iter().map(|name| (*name).to_owned()).collect(), mountpoint, own })
}

/// Translates a cgroup path if only part of a hierarchy is mounted, as in a container without a cgroup namespace. Uses the mount's root for a cgroup
/// outside of the mounted part or above the root of the cgroup namespace (`/..`).
fn below_mount(table: &str, mountpoint: &str, own: &str) -> String {
    let mut root = table.lines().filter_map(|line| Some((line.split(' ').nth(3)?, line.split(' ').nth(4)?))).filter(|(_, point)| *point == mountpoint);
    let inner = root.next_back().and_then(|(root, _)| own.strip_prefix(root)).filter(|inner| inner.starts_with('/'));
    inner.unwrap_or("/").to_owned()
}

/// The mount point by systemd's layout: /sys/fs/cgroup/cpu,cpuacct, /sys/fs/cgroup/systemd, /sys/fs/cgroup/unified. None if it is not mounted there.
fn usual_place(controllers: &[&str]) -> Option<String> {
    let (name, wanted) = match controllers {
        [] => ("unified".to_owned(), CGROUP2_SUPER_MAGIC),
        [one] => (one.strip_prefix("name=").unwrap_or(one).to_owned(), CGROUP_SUPER_MAGIC),
        several => (several.join(","), CGROUP_SUPER_MAGIC),
    };
    let path = format!("{CGROUP_ROOT}/{name}");
    (magic(&path) == Some(wanted)).then_some(path)
}

/// The mount point of a hierarchy in /proc/self/mountinfo (proc_pid_mountinfo(5)) whose mount shows the root of the hierarchy.
fn place_in_table(table: &str, controllers: &[&str]) -> Option<String> {
    table.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut fields = head.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut tail = tail.split(' ');
        let (fs_type, options) = (tail.next()?, tail.nth(1)?);
        let matches = match controllers {
            [] => fs_type == "cgroup2",
            names => fs_type == "cgroup" && names.iter().all(|name| options.split(',').any(|option| option == *name)),
        };
        (matches && root == "/").then(|| point.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_identity_map_of_all_ids_is_initial() {
        assert!(is_initial_map("         0          0 4294967295\n"));
        assert!(!is_initial_map("         0       1000          1\n"));
    }

    #[test]
    fn finds_a_hierarchy_by_its_controllers() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n33 31 0:30 / /cg/a rw shared:3 - cgroup cgroup rw,cpuacct,cpu\n35 31 0:9 / /cg/u rw - cgroup2 cgroup2 rw\n";
        assert_eq!(place_in_table(table, &["cpu", "cpuacct"]).as_deref(), Some("/cg/a"));
        assert_eq!(place_in_table(table, &[]).as_deref(), Some("/cg/u"));
        assert_eq!(place_in_table(table, &["memory"]), None);
    }

    #[test]
    fn paths_in_a_partly_mounted_hierarchy_are_relative_to_the_mount() {
        let table = "33 31 0:30 /docker/a /cg/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(below_mount(table, "/cg/memory", "/docker/a"), "/");
        assert_eq!(below_mount(table, "/cg/memory", "/docker/a/b"), "/b");
        assert_eq!(below_mount(table, "/cg/memory", "/docker/ab"), "/");
        assert_eq!(below_mount(table, "/cg/memory", "/../x"), "/");
    }
}
