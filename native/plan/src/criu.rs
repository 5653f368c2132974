//! The messages of CRIU's RPC (criu/images/rpc.proto) that a container runtime uses: JSON for the core, protobuf for CRIU. The tags are
//! those of rpc.proto; src/runtime/criu/protocol.ts names the values of its enums.

use crate::plain;

plain! {
/// `criu_page_server_info`
#[derive(prost::Message)]
#[prost(skip_debug)]
#[serde(default)]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct CriuPageServer {
    #[prost(string, optional, tag = "1")]
    pub address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub port: Option<i32>,
}
}

plain! {
/// `ext_mount_map`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuExternalMount {
    #[prost(string, required, tag = "1")]
    pub key: String,
    #[prost(string, required, tag = "2")]
    pub val: String,
}
}

plain! {
/// `join_namespace`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuJoinNamespace {
    #[prost(string, required, tag = "1")]
    pub ns: String,
    #[prost(string, required, tag = "2")]
    pub ns_file: String,
}
}

plain! {
/// `inherit_fd`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuInheritedDescriptor {
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// Descriptor number in CRIU's process.
    #[prost(int32, required, tag = "2")]
    pub fd: i32,
}
}

plain! {
/// `cgroup_root`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuCgroupRoot {
    /// Controllers of a v1 hierarchy. None: all hierarchies.
    #[prost(string, optional, tag = "1")]
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub ctrl: Option<String>,
    #[prost(string, required, tag = "2")]
    pub path: String,
}
}

plain! {
/// `criu_opts`
#[derive(prost::Message)]
#[prost(skip_debug)]
#[serde(default)]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct CriuOptions {
    /// Descriptor number in this process; CRIU opens it by way of its peer's pid.
    #[prost(int32, required, tag = "1")]
    pub images_dir_fd: i32,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub ext_unix_sk: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub ps: Option<CriuPageServer>,
    #[prost(bool, optional, tag = "12")]
    pub notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub parent_img: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub track_mem: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub auto_dedup: Option<bool>,
    /// As `images_dir_fd`.
    #[prost(int32, optional, tag = "17")]
    pub work_dir_fd: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<CriuExternalMount>>", optional))]
    pub ext_mnt: Vec<CriuExternalMount>,
    /// Superseded by `manage_cgroups_mode`, which still requires it.
    #[prost(bool, optional, tag = "24")]
    pub manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<CriuCgroupRoot>>", optional))]
    pub cg_root: Vec<CriuCgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub rst_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<CriuInheritedDescriptor>>", optional))]
    pub inherit_fd: Vec<CriuInheritedDescriptor>,
    #[prost(bool, optional, tag = "30")]
    pub ext_masters: Option<bool>,
    /// `criu_cg_mode`
    #[prost(int32, optional, tag = "34")]
    pub manage_cgroups_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
    pub external: Vec<String>,
    /// `CLONE_NEW*` bits.
    #[prost(uint32, optional, tag = "38")]
    pub empty_ns: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<CriuJoinNamespace>>", optional))]
    pub join_ns: Vec<CriuJoinNamespace>,
    #[prost(string, optional, tag = "44")]
    pub freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub lazy_pages: Option<bool>,
    #[prost(bool, optional, tag = "50")]
    pub orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub config_file: Option<String>,
    #[prost(string, optional, tag = "53")]
    pub lsm_profile: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub lsm_mount_context: Option<String>,
}
}

plain! {
/// `criu_features`
#[derive(prost::Message)]
#[prost(skip_debug)]
#[serde(default)]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct CriuFeatures {
    #[prost(bool, optional, tag = "1")]
    pub mem_track: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub lazy_pages: Option<bool>,
}
}

plain! {
/// `criu_req`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuRequest {
    /// `criu_req_type`
    #[prost(int32, required, tag = "1")]
    pub r#type: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub opts: Option<CriuOptions>,
    #[prost(bool, optional, tag = "3")]
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub notify_success: Option<bool>,
    /// CRIU waits for another request afterwards.
    #[prost(bool, optional, tag = "4")]
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub keep_open: Option<bool>,
    #[prost(message, optional, tag = "5")]
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub features: Option<CriuFeatures>,
}
}

plain! {
/// `criu_notify`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuNotification {
    #[prost(string, optional, tag = "1")]
    pub script: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
}
}

plain! {
/// `criu_version`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuVersion {
    #[prost(int32, required, tag = "1")]
    pub major_number: i32,
    #[prost(int32, required, tag = "2")]
    pub minor_number: i32,
    #[prost(int32, optional, tag = "4")]
    pub sublevel: Option<i32>,
}
}

plain! {
/// `criu_resp`
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct CriuResponse {
    /// `criu_req_type`
    #[prost(int32, required, tag = "1")]
    pub r#type: i32,
    #[prost(bool, required, tag = "2")]
    pub success: bool,
    #[prost(message, optional, tag = "5")]
    pub notify: Option<CriuNotification>,
    #[prost(int32, optional, tag = "7")]
    pub cr_errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub features: Option<CriuFeatures>,
    /// The first error message.
    #[prost(string, optional, tag = "9")]
    pub cr_errmsg: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub version: Option<CriuVersion>,
}
}
