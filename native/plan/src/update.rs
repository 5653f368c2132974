//! A change of a container's limits.

use crate::cgroup::{CgroupDirectory, CgroupWrite, DeviceRule};
use crate::plain;
use crate::systemd::{BusAddress, UnitProperty};

plain! {
/// A write to a cgroup file, and how to undo it.
pub struct LimitWrite {
    pub write: CgroupWrite,
    /// Restores the previous value, one write after another, if a later step fails.
    pub restore: Vec<CgroupWrite>,
}
}

plain! {
/// New properties of the container's unit. The native layer reads the previous values itself.
pub struct UnitChange {
    pub name: String,
    pub bus: BusAddress,
    pub properties: Vec<UnitProperty>,
}
}

plain! {
/// Replaces the device filter of a v2 cgroup atomically.
pub struct DeviceFilterChange {
    /// Absolute path of the cgroup.
    pub cgroup: String,
    pub rules: Vec<DeviceRule>,
}
}

plain! {
/// New schemata of the container's Intel RDT class of service.
pub struct SchemataChange {
    /// Where resctrl is mounted.
    pub mountpoint: String,
    /// Directory of the class.
    pub group: String,
    /// The container has no class yet: make this one and move the processes in `cgroup` and below into it.
    pub make: bool,
    /// Absolute path of the container's cgroup in one hierarchy; used with `make`.
    pub cgroup: String,
    pub lines: Vec<SchemataLine>,
}
}

plain! {
pub struct SchemataLine {
    /// `L3:0=f;1=f`; may be several lines.
    pub text: String,
    /// The flag that asked for it, for error messages.
    pub pointer: String,
}
}

plain! {
/// All of it takes effect or none: after a failure the earlier steps are undone.
#[derive(Default)]
pub struct LimitChange {
    /// v2 directories whose ancestors must enable controllers for them; no directory is made.
    pub directories: Vec<CgroupDirectory>,
    /// Set before `writes`: systemd writes rounded values, which `writes` then makes exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub unit: Option<UnitChange>,
    pub writes: Vec<LimitWrite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub schemata: Option<SchemataChange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub device_filter: Option<DeviceFilterChange>,
}
}
