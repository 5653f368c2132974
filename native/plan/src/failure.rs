//! How a failed request is reported.

use crate::plain;

plain! {
/// What a caller can branch on; everything else is `other`.
#[serde(rename_all = "camelCase")]
#[derive(Copy, Eq)]
pub enum FailureCode {
    /// The named file, directory or process is not there.
    NotFound,
    /// The thing to create is there already.
    Exists,
    /// Another process holds the lock.
    Locked,
    /// The file holds more bytes than asked for.
    TooLarge,
    /// The file is not UTF-8.
    NotUtf8,
    /// The process to signal has ended.
    Finished,
    /// The container's process waits at no start gate (it runs, or it ended).
    NotWaiting,
    /// The user's program could not be executed.
    Exec,
    /// A signal asked this process to end meanwhile.
    Interrupted,
    /// A request that makes no sense.
    BadRequest,
    Other,
}
}

plain! {
/// A failed operation, strace-like: `operation` is verb and object (`mount "proc" on "/proc"`), `cause`
/// what came of it (`EPERM (operation not permitted)`).
pub struct Failure {
    pub code: FailureCode,
    pub operation: String,
    pub cause: String,
    /// Name of the errno, where a system call failed: `EPERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// The signal, where one asked this process to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}
}

impl Failure {
    /// A failure that no system call explains.
    pub fn new(code: FailureCode, operation: impl Into<String>, cause: impl Into<String>) -> Self {
        Failure { code, operation: operation.into(), cause: cause.into(), errno: None, signal: None }
    }

    /// The failure after which everything was undone, with what could not be.
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
