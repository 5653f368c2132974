//! Failures that read like strace: `mount "proc" on "/proc": EPERM (operation not permitted)`.

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};

/// Adds the operation to the error of a failed call.
pub trait During<T> {
    /// `operation` returns verb and quoted object; it is called only on failure.
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|errno| os_failure(operation(), errno))
    }
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) => os_failure(operation(), errno),
            None => Failure::new(FailureCode::Other, operation(), error.to_string()),
        })
    }
}

/// The failure of `operation` by `errno`.
pub fn os_failure(operation: String, errno: Errno) -> Failure {
    let code = match errno {
        Errno::NOENT => FailureCode::NotFound,
        Errno::EXIST => FailureCode::Exists,
        Errno::SRCH => FailureCode::Finished,
        _ => FailureCode::Other,
    };
    let (name, text) = describe(errno);
    Failure { code, operation, cause: format!("{name} ({text})"), errno: Some(name), signal: None }
}

/// Name and lower-case text of an errno (errno(3); managers match these texts).
pub fn describe(errno: Errno) -> (String, &'static str) {
    match TABLE.iter().find(|(known, _, _)| *known == errno) {
        Some((_, name, text)) => ((*name).to_owned(), text),
        None => (format!("errno {}", errno.raw_os_error()), "unknown error"),
    }
}

macro_rules! table { ($($name:ident $text:literal)*) => { &[(Errno::ACCESS, "EACCES", "permission denied"), (Errno::TOOBIG, "E2BIG", "argument list too long"), $((Errno::$name, concat!("E", stringify!($name)), $text)),*] } }

const TABLE: &[(Errno, &str, &str)] = table! {
    PERM "operation not permitted" NOENT "no such file or directory" SRCH "no such process" INTR "interrupted system call"
    IO "input/output error" NXIO "no such device or address" NOEXEC "exec format error" BADF "bad file descriptor"
    NOTBLK "block device required" CHILD "no child processes" AGAIN "resource temporarily unavailable" NOMEM "cannot allocate memory"
    FAULT "bad address" BUSY "device or resource busy" EXIST "file exists" XDEV "invalid cross-device link" NODEV "no such device"
    NOTDIR "not a directory" ISDIR "is a directory" INVAL "invalid argument" NFILE "too many open files in system"
    MFILE "too many open files" NOTTY "inappropriate ioctl for device" TXTBSY "text file busy" FBIG "file too large"
    NOSPC "no space left on device" SPIPE "illegal seek" ROFS "read-only file system" MLINK "too many links" PIPE "broken pipe"
    RANGE "numerical result out of range" NAMETOOLONG "file name too long" NOSYS "function not implemented"
    NOTEMPTY "directory not empty" LOOP "too many levels of symbolic links" OVERFLOW "value too large for defined data type"
    USERS "too many users" NOTSOCK "socket operation on non-socket" PROTOTYPE "protocol wrong type for socket"
    OPNOTSUPP "operation not supported" ADDRINUSE "address already in use" CONNREFUSED "connection refused"
    CONNRESET "connection reset by peer" NOTCONN "transport endpoint is not connected" TIMEDOUT "connection timed out"
    STALE "stale file handle" DQUOT "disk quota exceeded" LIBBAD "accessing a corrupted shared library"
    NOTUNIQ "name not unique on network" DEADLK "resource deadlock avoided" NOLCK "no locks available" NOKEY "required key not available"
    UCLEAN "structure needs cleaning" NOMEDIUM "no medium found" NODATA "no data available" BADMSG "bad message"
    ADDRNOTAVAIL "cannot assign requested address" NETUNREACH "network is unreachable" HOSTUNREACH "no route to host"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_operation_and_the_errno() {
        let failed: Result<(), Errno> = Err(Errno::PERM);
        let failure = failed.during(|| "mount \"proc\" on \"/proc\"".into()).unwrap_err();
        assert_eq!(failure.to_string(), "mount \"proc\" on \"/proc\": EPERM (operation not permitted)");
        assert_eq!(failure.errno.as_deref(), Some("EPERM"));
        assert_eq!(describe(Errno::ACCESS), ("EACCES".to_owned(), "permission denied"));
        assert_eq!(describe(Errno::TOOBIG).0, "E2BIG");
        assert_eq!(describe(Errno::NOTBLK), ("ENOTBLK".to_owned(), "block device required"));
    }
}
