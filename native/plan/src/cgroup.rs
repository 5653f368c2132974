//! The cgroups of one container: which directories, which values, how to join.

use crate::plain;
use crate::systemd::SystemdUnit;

plain! {
/// A cgroup directory of the container in one hierarchy.
pub struct CgroupDirectory {
    /// Absolute path on the host, below the hierarchy's mount point.
    pub path: String,
    /// Absolute path of the hierarchy's mount point; directories between it and `path` are made too.
    pub mountpoint: String,
    /// v1 cpuset: `cpuset.cpus` and `cpuset.mems` that are empty are filled from the parent, from the top down
    /// (cpuset(7): a task cannot join a cpuset without CPUs or nodes).
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
    pub inherit_cpuset: bool,
    /// v2: controllers to enable in `cgroup.subtree_control` of every ancestor from the mount point down.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub enable_controllers: Vec<String>,
    /// v1 freezer and v2: somebody may have frozen a cgroup above it that holds others too, where a process would freeze at once.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
    pub may_be_frozen: bool,
}
}

plain! {
/// One value of one cgroup file.
pub struct CgroupWrite {
    /// Absolute path of the file.
    pub path: String,
    pub value: String,
    /// Further values of the same file, written one after another. With `if_missing` or `at_least` there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub more: Vec<String>,
    /// JSON pointer of the config field that asked for it, for the error text.
    pub pointer: String,
    /// What is written instead where the kernel has no such file: nothing by an empty list. Absent: that is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub if_missing: Option<Vec<CgroupWrite>>,
    /// That many of the values, from the first, are not asked for by the configuration: where the kernel denies one (EPERM), because the parent
    /// cgroup does not have it, the container does without.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<u32>", optional))]
    pub may_be_denied: u32,
    /// Name of a file of the same cgroup with the number that the value must not be below (`checkBeforeUpdate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub at_least: Option<String>,
}
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

plain! {
/// A rule of the v2 device filter, in config order; the last matching rule wins.
pub struct DeviceRule {
    pub allow: bool,
    /// `a`, `b` or `c`.
    pub kind: String,
    /// None matches every major number.
    #[serde(default)]
    pub major: Option<u32>,
    #[serde(default)]
    pub minor: Option<u32>,
    /// Letters of `rwm`.
    pub access: String,
}
}

plain! {
/// Everything about the container's cgroups. Empty lists mean: stay in the caller's cgroups.
#[derive(Default)]
pub struct CgroupPlan {
    /// Systemd makes the cgroup, for the container's process, which waits for it; then what systemd cannot say is done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub systemd: Option<SystemdUnit>,
    pub directories: Vec<CgroupDirectory>,
    /// Written after the directories are made and before the container's process joins.
    pub writes: Vec<CgroupWrite>,
    /// v1 and hybrid: directories whose `tasks` file the container's process joins by itself
    /// (a single thread that moves itself needs no RCU grace period).
    pub join_tasks: Vec<String>,
    /// v2 directory to clone into (`CLONE_INTO_CGROUP`).
    #[serde(default)]
    pub clone_into: Option<String>,
    /// What its processes use counts against limits of memory there or above.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub limits_memory_at_birth: bool,
    /// v2: the device filter to attach to `clone_into`.
    #[serde(default)]
    pub device_filter: Option<Vec<DeviceRule>>,
    /// v2: the host's uid that may make cgroups below `clone_into`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub owner: Option<u32>,
}
}
