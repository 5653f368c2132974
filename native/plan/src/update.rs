//! A change of the limits of a container that exists.

use crate::cgroup::{CgroupDirectory, CgroupWrite, DeviceRule};
use crate::plain;
use crate::systemd::{BusAddress, UnitProperty};

plain! {
/// A value of a cgroup file and the way back.
pub struct LimitWrite {
    pub write: CgroupWrite,
    /// Written one after another when a later step fails: the file's value before.
    pub restore: Vec<CgroupWrite>,
}
}

plain! {
/// Properties of the running unit that is the container's cgroup. The native layer reads what they were before.
pub struct UnitChange {
    pub name: String,
    pub bus: BusAddress,
    pub properties: Vec<UnitProperty>,
}
}

plain! {
/// The device filter of a v2 cgroup, replaced at once.
pub struct DeviceFilterChange {
    /// Absolute path of the cgroup.
    pub cgroup: String,
    pub rules: Vec<DeviceRule>,
}
}

plain! {
/// Lines of the schemata of the container's class of service of Intel RDT.
pub struct SchemataChange {
    /// Where resctrl is mounted.
    pub mountpoint: String,
    /// Directory of the class.
    pub group: String,
    /// The container has no class yet: this one is made, and all that run in the cgroups below move into it.
    pub make: bool,
    /// Absolute paths of the container's cgroup in one hierarchy; used with `make`.
    pub cgroup: String,
    pub lines: Vec<SchemataLine>,
}
}

plain! {
pub struct SchemataLine {
    /// `L3:0=f;1=f`, or several lines.
    pub text: String,
    /// The flag that asked for it, for the error text.
    pub pointer: String,
}
}

plain! {
/// All of it takes effect, or none: what was done before a failure is undone.
#[derive(Default)]
pub struct LimitChange {
    /// v2 directories whose ancestors are to hand on controllers; nothing is made.
    pub directories: Vec<CgroupDirectory>,
    /// Set first: systemd writes the files that it knows, and what is written afterwards is exact.
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
