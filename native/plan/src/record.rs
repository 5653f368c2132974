//! What is kept of a container between commands: `<root>/<id>/state.json`. Later edits of config.json have no effect, so all that a later
//! command needs is in here.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::container::{Namespace, Process};
use crate::operation::{Hook, HookOutput};
use crate::plain;
use crate::request::{ProcessIdentity, Undo};
use crate::systemd::BusAddress;

/// Version of state.json's layout; a greater one is of a newer runtime.
pub const RECORD_VERSION: u32 = 2;

plain! {
/// Set before the first clone, after the set-up, after the user's program was executed.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum RecordedStatus { Creating, Created, Running }
}

plain! {
/// A cgroup of the container.
pub struct RecordedCgroup {
    /// `cpu`, `cpuacct`, `name=systemd`; none for cgroup v2.
    pub controllers: Vec<String>,
    /// Absolute path of the directory on the host.
    pub path: String,
}
}

plain! {
/// The unit of systemd that is the container's cgroup.
pub struct RecordedUnit {
    pub name: String,
    pub bus: BusAddress,
}
}

plain! {
/// `initial` and `final` of config.json's process.execCPUAffinity.
pub struct RecordedAffinity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub initial: Option<String>,
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub last: Option<String>,
}
}

/// JSON that the native layer hands through unread.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Json(pub Box<RawValue>);

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

plain! {
pub struct ContainerRecord {
    pub version: u32,
    pub id: String,
    pub status: RecordedStatus,
    /// Absolute paths.
    pub bundle: String,
    pub rootfs: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "Record<string, string>"))]
    pub annotations: Option<BTreeMap<String, String>>,
    /// RFC 3339.
    pub created: String,
    /// Who created it.
    pub owner_uid: u32,
    /// The container's first process; absent while it is being created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub process: Option<ProcessIdentity>,
    /// Those that are not the runtime's own, made or joined.
    pub namespaces: Vec<Namespace>,
    /// Those among them that it joined by a path of config.json.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Namespace>>", optional))]
    pub joined_namespaces: Vec<Namespace>,
    /// Where files, directories and devices of the host are bound into it: absolute paths in the container, in the order of the mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub external_mounts: Vec<String>,
    /// Its root is a directory of a mount namespace that others have: chroot(2) has set it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub chroot: bool,
    /// It has a pid namespace of its own: the kernel kills everything in it with its first process.
    pub own_pid_namespace: bool,
    pub cgroups: Vec<RecordedCgroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub unit: Option<RecordedUnit>,
    /// config.json's linux.resources as they were applied last; integers beyond 2^53 are decimal strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "object"))]
    pub resources: Option<Json>,
    /// config.json's linux.mountLabel, for mounts that are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub mount_label: Option<String>,
    /// What a process that is brought in has unless it says otherwise: the first process's, without its arguments. Filled in by `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub defaults: Option<Process>,
    /// The environment in `defaults` has more, or other values, for the first process alone: this is config.json's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub env: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub exec_affinity: Option<RecordedAffinity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub oom_score_adj: Option<i32>,
    /// What `delete` undoes, in order.
    pub undo: Vec<Undo>,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
    /// Files that hooks write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hook_output: Option<HookOutput>,
}
}

plain! {
/// A container that nobody may be working on, as a list shows it: what its record says, and what is seen of it.
pub struct SettledContainer {
    pub id: String,
    pub status: RecordedStatus,
    pub bundle: String,
    pub rootfs: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "Record<string, string>"))]
    pub annotations: Option<BTreeMap<String, String>>,
    pub created: String,
    pub owner_uid: u32,
    pub process: ProcessIdentity,
    /// The process lives; its cgroup is frozen.
    pub alive: bool,
    pub frozen: bool,
}
}
