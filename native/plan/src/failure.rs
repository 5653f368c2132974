//! How a failed request is reported.

use crate::plain;

plain! {
/// Codes that callers branch on; everything else is `Other`.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum FailureCode {
    /// The named file, directory or process does not exist.
    NotFound,
    /// What was to be created exists already.
    Exists,
    /// Another process holds the lock.
    Locked,
    /// The file is larger than the request allows.
    TooLarge,
    /// The file is not UTF-8.
    NotUtf8,
    /// The process has exited, or no further event can come.
    Finished,
    /// The container's process does not wait at the start gate: it runs or has exited.
    NotWaiting,
    /// The user's program could not be executed.
    Exec,
    /// A signal asked this process to end.
    Interrupted,
    /// The request is malformed.
    BadRequest,
    Other,
}
}

plain! {
/// A failed operation: `operation` is verb and object (`mount "proc" on "/proc"`), `cause` the reason (`EPERM (operation not permitted)`).
pub struct Failure {
    pub code: FailureCode,
    pub operation: String,
    pub cause: String,
    /// Name of the errno if a system call failed: `EPERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// The signal that asked this process to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}
}

impl Failure {
    /// A failure without an errno.
    pub fn new(code: FailureCode, operation: impl Into<String>, cause: impl Into<String>) -> Self {
        Failure { code, operation: operation.into(), cause: cause.into(), errno: None, signal: None }
    }

    /// Adds the failure to undo the operation, if there was one.
    #[must_use]
    pub fn after_undoing(self, undone: Result<(), impl std::fmt::Display>) -> Self {
        match undone {
            Ok(()) => self,
            Err(second) => Failure { cause: format!("{}; undoing it failed too: {second}", self.cause), ..self },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.operation.is_empty() {
            f.write_str(&self.cause)
        } else {
            write!(f, "{}: {}", self.operation, self.cause)
        }
    }
}

impl std::error::Error for Failure {}
