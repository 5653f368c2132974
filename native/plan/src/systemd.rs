//! The systemd cgroup driver: a container's cgroup is a unit (systemd.scope(5)).

use crate::plain;

plain! {
/// A socket of the service manager.
pub struct BusAddress {
    /// Absolute path.
    pub path: String,
    /// The manager itself listens there, not a D-Bus broker.
    pub direct: bool,
}
}

plain! {
/// What the core needs to know about the service manager.
pub struct SystemdFacts {
    /// It is the caller's own manager, not the system's.
    pub user: bool,
    pub bus: BusAddress,
    /// The manager's own cgroup, the parent of its slices; absolute.
    pub control_group: String,
    /// Its major version: 252.
    pub version: u32,
    /// Contents of /proc/devices if systemd accepts only driver names in device rules (before version 240), else empty.
    pub device_names: String,
    /// The kernel has io.bfq.weight. False if the request did not ask.
    pub bfq: bool,
    /// Scopes have the property `OOMPolicy` (since version 253, and backported to 252). False if the request did not ask.
    pub oom_policy: bool,
}
}

plain! {
/// A property of a unit (org.freedesktop.systemd1(5)).
pub struct UnitProperty {
    pub name: String,
    /// D-Bus signature: one complete type.
    pub signature: String,
    /// Matches the signature: booleans, numbers, strings; arrays for arrays and structures. 64-bit integers are decimal strings.
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub value: serde_json::Value,
    /// JSON pointer of the field that asked for it; empty if every container has the property.
    pub pointer: String,
}
}

plain! {
/// A transient scope for the container's process.
pub struct SystemdUnit {
    /// `tsrunc-c1.scope`.
    pub name: String,
    /// Its `Description`; distinguishes it from another unit of the same name.
    pub description: String,
    pub bus: BusAddress,
    pub properties: Vec<UnitProperty>,
}
}
