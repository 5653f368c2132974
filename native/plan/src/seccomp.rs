//! The seccomp profile (config-linux.md#seccomp).

use crate::plain;
use crate::warning::Warning;

plain! {
/// What happens to a system call. `data` is the errno for the caller, or the message for the tracer.
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
#[derive(Copy, Eq)]
pub enum SeccompAction {
    KillProcess,
    KillThread,
    Trap,
    Errno { data: u16 },
    Trace { data: u16 },
    Log,
    Allow,
    Notify,
}
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum SeccompFlag { Tsync, Log, SpecAllow, WaitKillableRecv }
}

plain! {
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum SeccompOperator {
    NotEqual, Less, LessOrEqual, Equal, GreaterOrEqual, Greater,
    /// `argument & first == second`
    MaskedEqual,
}
}

plain! {
/// A condition on an argument; the values are decimal u64.
pub struct SeccompComparison {
    /// 0 to 5.
    pub argument: u8,
    pub operator: SeccompOperator,
    pub first: String,
    pub second: String,
}
}

plain! {
pub struct SeccompRule {
    /// Unknown names are skipped with a warning: profiles name system calls of newer kernels.
    pub names: Vec<String>,
    pub action: SeccompAction,
    /// All must match.
    pub comparisons: Vec<SeccompComparison>,
    /// `/linux/seccomp/syscalls/3`, for error messages.
    pub pointer: String,
}
}

plain! {
/// The seccomp agent that gets the listener descriptor of `notify`.
pub struct SeccompListener {
    /// Absolute path of a listening Unix socket.
    pub path: String,
    #[serde(default)]
    pub metadata: Option<String>,
}
}

plain! {
/// A profile with all defaults filled in.
pub struct SeccompProfile {
    pub default_action: SeccompAction,
    /// Architectures beside the native one, as `x86_64`, in the order of config.json.
    pub architectures: Vec<String>,
    /// It is an error if the kernel lacks one.
    pub flags: Vec<SeccompFlag>,
    /// Used if the kernel has them.
    pub preferred_flags: Vec<SeccompFlag>,
    /// No rule's action is the default one.
    pub rules: Vec<SeccompRule>,
    /// Return ENOSYS for system calls newer than the last one that the profile names for an architecture: the profile's author did not know
    /// them. Programs fall back to an older call on ENOSYS; any other errno is a failure to them.
    pub deny_newer: bool,
    /// Names that the profile gives the default action. They have no rule, but count for `denyNewer`.
    pub default_names: Vec<String>,
    #[serde(default)]
    pub listener: Option<SeccompListener>,
    /// The core's warnings about the profile. Cached with the filter, so that the next container shows them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Warning>>", optional))]
    pub warnings: Vec<Warning>,
}
}

plain! {
/// What the kernel and libseccomp support.
pub struct SeccompFacts {
    pub flags: Vec<SeccompFlag>,
    /// `2.6.0`
    pub libseccomp: String,
}
}
