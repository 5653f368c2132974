//! The record of a container: `<root>/<id>/state.json`. It has all that later commands need, because later edits of config.json must have no
//! effect.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::container::{Namespace, Process};
use crate::operation::{Hook, HookOutput};
use crate::plain;
use crate::process_identity::ProcessIdentity;
use crate::systemd::BusAddress;
use crate::undo::Undo;

/// Version of state.json's layout. A greater one was written by a newer runtime.
pub const RECORD_VERSION: u32 = 2;

plain! {
/// `Creating` from before the first clone, `Created` once the container is set up, `Running` once the user's program was executed.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum RecordedStatus { Creating, Created, Running }
}

plain! {
/// A cgroup of the container.
pub struct RecordedCgroup {
    /// `cpu`, `cpuacct`, `name=systemd`; empty for cgroup v2.
    pub controllers: Vec<String>,
    /// Absolute path of the directory on the host.
    pub path: String,
}
}

plain! {
/// The systemd unit that is the container's cgroup.
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

/// JSON that the native layer passes on without parsing it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RawJson(pub Box<RawValue>);

impl PartialEq for RawJson {
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
    /// The uid that created it.
    pub owner_uid: u32,
    /// The container's first process; absent while it is being created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub process: Option<ProcessIdentity>,
    /// Namespaces that were made or joined; the others are the runtime's own.
    pub namespaces: Vec<Namespace>,
    /// Those of `namespaces` that it joined by a path in config.json.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Namespace>>", optional))]
    pub joined_namespaces: Vec<Namespace>,
    /// Bind mounts of the host's files, directories and devices: absolute destinations in the container, in the order of the mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub external_mounts: Vec<String>,
    /// It shares its mount namespace with others, so its root was set by chroot(2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub chroot: bool,
    /// It has its own pid namespace, so the kernel kills all of its processes when the first one exits.
    pub own_pid_namespace: bool,
    pub cgroups: Vec<RecordedCgroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub unit: Option<RecordedUnit>,
    /// config.json's linux.resources as last applied; integers beyond 2^53 are decimal strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "object"))]
    pub resources: Option<RawJson>,
    /// config.json's linux.mountLabel, for mounts that are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub mount_label: Option<String>,
    /// Defaults for `exec`: the first process without its arguments. Filled in by `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub defaults: Option<Process>,
    /// config.json's environment, if the one in `defaults` has additions that are meant for the first process alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub env: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub exec_affinity: Option<RecordedAffinity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub oom_score_adj: Option<i32>,
    /// What `delete` undoes, in this order.
    pub undo: Vec<Undo>,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
    /// Files that get the hooks' output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hook_output: Option<HookOutput>,
}
}

plain! {
/// What `list` shows of a container that no other command is working on: from its record and from its process.
pub struct ContainerSummary {
    pub status: RecordedStatus,
    pub bundle: String,
    pub rootfs: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "Record<string, string>"))]
    pub annotations: Option<BTreeMap<String, String>>,
    pub created: String,
    pub owner_uid: u32,
    pub pid: i32,
    /// The process lives.
    pub alive: bool,
    /// Its cgroup is frozen.
    pub frozen: bool,
}
}
