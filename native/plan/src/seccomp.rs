//! The filter of the program's system calls (config-linux.md#seccomp).

use crate::plain;
use crate::warning::Warning;

plain! {
/// What happens to a system call. `errno` and `trace` carry a number of 16 bits for the caller and the tracer.
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
    /// Names that nothing knows are passed over with a warning: profiles name system calls of kernels to come.
    pub names: Vec<String>,
    pub action: SeccompAction,
    /// All must hold.
    pub comparisons: Vec<SeccompComparison>,
    /// `/linux/seccomp/syscalls/3`, for the error text.
    pub pointer: String,
}
}

plain! {
/// Where the listener of `notify` goes.
pub struct SeccompListener {
    /// Absolute path of a listening Unix socket.
    pub path: String,
    #[serde(default)]
    pub metadata: Option<String>,
}
}

plain! {
/// A filter with every default filled in.
pub struct SeccompProfile {
    pub default_action: SeccompAction,
    /// Beside the machine's own, by their names in lower case, `x86_64`; in the order of config.json.
    pub architectures: Vec<String>,
    /// An error where the kernel does not know one.
    pub flags: Vec<SeccompFlag>,
    /// Set where the kernel knows them.
    pub preferred_flags: Vec<SeccompFlag>,
    /// None of these is the default action: that would be no rule.
    pub rules: Vec<SeccompRule>,
    /// Answer ENOSYS to system calls beyond the last one that the profile names for an architecture: it was written before there were
    /// any, and programs take ENOSYS for "use an older one", other errors for a failure.
    pub deny_newer: bool,
    /// Names that count for `denyNewer` though no rule is made of them: those whose action is the default one.
    pub default_names: Vec<String>,
    #[serde(default)]
    pub listener: Option<SeccompListener>,
    /// What the core has to tell about the profile. Kept with the filter: who runs the next container is told too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Warning>>", optional))]
    pub warnings: Vec<Warning>,
}
}

plain! {
/// What the kernel knows of filters.
pub struct SeccompFacts {
    pub flags: Vec<SeccompFlag>,
    /// `2.6.0`
    pub libseccomp: String,
}
}
