//! The namespaces that a container shares with the process that created it. The caller of `exec` or `mounts` may be in others, for example a manager
//! that was restarted in new namespaces.

use rustix::io::Errno;
use tsrunc_plan::container::Namespace;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

/// With their names in /proc/PID/ns (namespaces(7)).
const ALL: [(Namespace, &str); 8] = [
    (Namespace::User, "user"),
    (Namespace::Mount, "mnt"),
    (Namespace::Pid, "pid"),
    (Namespace::Network, "net"),
    (Namespace::Ipc, "ipc"),
    (Namespace::Uts, "uts"),
    (Namespace::Cgroup, "cgroup"),
    (Namespace::Time, "time"),
];

/// The namespaces that a process has to join to be in all those of the process `init`: the container's `own`, and the shared ones that the caller is
/// not in.
pub fn to_join(init: i32, own: &[Namespace]) -> Result<Vec<Namespace>, Failure> {
    let mut joined = own.to_vec();
    for (namespace, name) in ALL {
        if !own.contains(&namespace) && is_elsewhere(init, name)? {
            joined.push(namespace);
        }
    }
    Ok(joined)
}

fn is_elsewhere(init: i32, name: &str) -> Result<bool, Failure> {
    let (theirs, ours) = (identity(&format!("/proc/{init}/ns/{name}"))?, identity(&format!("/proc/self/ns/{name}"))?);
    Ok(matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours))
}

/// Device and inode of a namespace. None if the kernel does not have this type, or the process has exited (the caller checks its pidfd for that).
fn identity(path: &str) -> Result<Option<(u64, u64)>, Failure> {
    match rustix::fs::stat(path) {
        Err(Errno::NOENT | Errno::SRCH) => Ok(None),
        result => result.map(|stat| Some((stat.st_dev, stat.st_ino))).during(|| format!("look at {path:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_the_same_namespaces_adds_none() {
        let own = [Namespace::Mount, Namespace::Pid];
        assert_eq!(to_join(std::process::id() as i32, &own).unwrap(), own);
    }
}
