//! How a process of `exec` or `mounts` enters a container: its namespaces and, if it needs the pid namespace, a child in there.

use std::os::fd::{AsFd, OwnedFd};

use tsrunc_common::protocol::{unexpected, Channel, FromInit, ToInit};
use tsrunc_plan::container::Namespace;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::join_all_of;
use tsrunc_sys::spawn::fork_sibling;

use crate::process::{set_dumpable, set_gid, set_uid};

/// Joins namespaces of the container's first process with one setns(2). `root`: its root, to be entered by chroot(2).
pub fn enter(namespaces: &[Namespace], init: OwnedFd, root: Option<OwnedFd>) -> Result<(), Failure> {
    if !namespaces.is_empty() {
        match join_all_of(init.as_fd(), namespaces) {
            Err(rustix::io::Errno::SRCH) => return Err(Failure::new(FailureCode::Finished, "join the container's namespaces", "its first process has ended")),
            result => result.during(|| "join the container's namespaces".into())?,
        }
    }
    if namespaces.contains(&Namespace::User) {
        set_gid(0).during(|| "become root of the user namespace".into())?;
        set_uid(0).during(|| "become root of the user namespace".into())?;
    }
    // Both may have made it dumpable again (fs.suid_dumpable in proc_sys_fs(5)).
    set_dumpable(false).during(|| "become undumpable".into())?;
    if let Some(root) = root {
        let during = || "enter the container's root".to_owned();
        rustix::process::fchdir(&root).during(during)?;
        rustix::process::chroot(".").during(during)?;
    }
    rustix::process::chdir("/").during(|| "enter \"/\"".into())
}

/// Forks a child, which is in the joined pid namespace. Returns in the child, once the creator says `Continue`; the parent exits.
pub fn continue_in_child(channel: &Channel) -> Result<(), Failure> {
    let forked = match fork() {
        Err(failure) if failure.errno.as_deref() == Some("EAGAIN") => {
            channel.ask(&FromInit::PidsLimit(failure))?;
            fork()?
        }
        result => result?,
    };
    if let Some(pid) = forked {
        channel.send(&FromInit::Forked(pid))?;
        std::process::exit(0);
    }
    match channel.receive()? {
        Some(ToInit::Continue { .. }) => Ok(()),
        _ => Err(unexpected("to go on")),
    }
}

/// The child's pid in the parent, None in the child.
fn fork() -> Result<Option<i32>, Failure> {
    let during = || "make a process in the container".to_owned();
    fork_sibling().during(during).map_err(|failure: Failure| match failure.errno.as_deref() {
        Some("ENOMEM") => Failure { cause: format!("{}; its first process may have ended", failure.cause), ..failure },
        _ => failure,
    })
}
