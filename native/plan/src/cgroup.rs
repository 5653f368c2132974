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
    /// v1 cpuset: empty `cpuset.cpus` and `cpuset.mems` are copied from the parent, from the top down
    /// (cpuset(7): a task cannot join a cpuset without CPUs or nodes).
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
    pub inherit_cpuset: bool,
    /// v2: controllers to enable in `cgroup.subtree_control` of every ancestor from the mount point down.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub enable_controllers: Vec<String>,
    /// v1 freezer and v2: a shared ancestor may be frozen. A process would then freeze as soon as it joins.
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
    /// Further values of the same file, written one after another. Empty if `if_missing` or `at_least` is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub more: Vec<String>,
    /// JSON pointer of the config field that asked for it, for the error text.
    pub pointer: String,
    /// Written instead if the kernel has no such file; an empty list writes nothing. Absent: a missing file is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub if_missing: Option<Vec<CgroupWrite>>,
    /// How many of the values, from the first, config.json does not ask for. The container does without those that the kernel denies (EPERM)
    /// because the parent cgroup lacks them.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<u32>", optional))]
    pub may_be_denied: u32,
    /// Name of a file of the same cgroup; the value must not be below the number in it (`checkBeforeUpdate`).
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
    /// systemd makes the v2 cgroup and puts the waiting container process into it. What systemd has no property for is written afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub systemd: Option<SystemdUnit>,
    pub directories: Vec<CgroupDirectory>,
    /// Written once the directories exist, before the container's process joins.
    pub writes: Vec<CgroupWrite>,
    /// v1 and hybrid: directories that the container's process joins itself, by writing to their `tasks`
    /// (moving a single thread needs no RCU grace period).
    pub join_tasks: Vec<String>,
    /// v2 directory to clone into (`CLONE_INTO_CGROUP`).
    #[serde(default)]
    pub clone_into: Option<String>,
    /// Whether the memory controller accounts for processes in `clone_into`, so that a memory limit there or in an ancestor can kill them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub memory_accounted: bool,
    /// v2: the device filter to attach to `clone_into`.
    #[serde(default)]
    pub device_filter: Option<Vec<DeviceRule>>,
    /// v2: the host's uid that `clone_into` is delegated to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub owner: Option<u32>,
}
}
