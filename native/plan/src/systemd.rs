//! The cgroup driver systemd: a container's cgroup as a unit (systemd.scope(5)).

use crate::plain;

plain! {
/// A socket of the service manager.
pub struct BusAddress {
    /// Absolute path.
    pub path: String,
    /// True where the manager itself listens, false for a D-Bus broker.
    pub direct: bool,
}
}

plain! {
/// What the core must know of the service manager.
pub struct SystemdFacts {
    /// The caller's own manager, not the system's.
    pub user: bool,
    pub bus: BusAddress,
    /// The manager's own cgroup, below which its slices are; absolute.
    pub control_group: String,
    /// The first number of its version: 252.
    pub version: u32,
    /// Text of /proc/devices where systemd names devices by their drivers alone (before version 240), else empty.
    pub device_names: String,
    /// This kernel has io.bfq.weight. False where it was not asked.
    pub bfq: bool,
    /// Scopes have the property `OOMPolicy` (since version 253, and in later releases of 252). False where it was not asked.
    pub oom_policy: bool,
}
}

plain! {
/// A property of a unit (org.freedesktop.systemd1(5)).
pub struct UnitProperty {
    pub name: String,
    /// D-Bus signature of one complete type.
    pub signature: String,
    /// In the shape of the signature: booleans, numbers, strings, arrays for arrays and structures; 64-bit integers are
    /// decimal strings.
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub value: serde_json::Value,
    /// JSON pointer of the field that asked for it; empty for what every container has.
    pub pointer: String,
}
}

plain! {
/// A transient scope for the container's process.
pub struct SystemdUnit {
    /// `tsrunc-c1.scope`.
    pub name: String,
    /// Its `Description`, which tells it from another unit of that name.
    pub description: String,
    pub bus: BusAddress,
    pub properties: Vec<UnitProperty>,
}
}
