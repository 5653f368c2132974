//! Namespaces that a container shares with whoever created it, which need not be those of who calls `exec` or `mounts` later: a manager may have
//! been restarted in other ones.

use rustix::io::Errno;
use tsrunc_plan::container::Namespace;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

/// By their names in /proc/PID/ns (namespaces(7)).
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

/// The namespaces that a process has to join to be where the process `init` is: the container's `own`, and the others that this process is not in.
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

/// Device and inode. None where the kernel has no such namespaces, or the process has ended, which the caller finds out by its pidfd.
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
    fn a_process_in_the_same_namespaces_adds_none_to_the_container_s_own() {
        let own = [Namespace::Mount, Namespace::Pid];
        assert_eq!(to_join(std::process::id() as i32, &own).unwrap(), own);
    }
}
