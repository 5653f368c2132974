//! What a plan depends on beside config.json.

use crate::plain;

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum CgroupMode { None, V1, Hybrid, V2 }
}

plain! {
/// A mounted cgroup hierarchy.
pub struct Hierarchy {
    /// `memory`; `cpu,cpuacct` as two entries; `name=systemd`; empty for cgroup2.
    pub controllers: Vec<String>,
    pub mountpoint: String,
    /// The caller's own cgroup in it, absolute from the hierarchy's root.
    pub own: String,
}
}

plain! {
pub struct HostFacts {
    pub euid: u32,
    pub egid: u32,
    /// The caller is not in the initial user namespace.
    pub in_user_namespace: bool,
    pub cgroup_mode: CgroupMode,
    pub hierarchies: Vec<Hierarchy>,
    /// cgroup.controllers of the cgroup2 root.
    pub v2_controllers: Vec<String>,
    /// Highest capability the kernel knows (/proc/sys/kernel/cap_last_cap).
    pub last_capability: u32,
    /// Capabilities that the caller's permitted set lacks.
    pub missing_capabilities: Vec<u32>,
}
}
