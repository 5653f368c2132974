//! Files of the kernel that configure a container: sysctl, the labels of AppArmor and SELinux. They are written through a
//! procfs of our own, which nothing in an image can redirect (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
//! Runs in the container's namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::MountAttributes;
use tsrunc_sys::errno::During;

use crate::mounts::{new_file_system, NewFileSystem};
use crate::root::Root;

const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// A procfs, opened at the first use.
#[derive(Default)]
pub struct KernelFiles(Option<OwnedFd>);

impl KernelFiles {
    /// The procfs of this process's pid namespace. `root` where the container's mounts stand.
    pub fn procfs(&mut self, root: Option<&Root>) -> Result<BorrowedFd<'_>, Failure> {
        let procfs = match self.0.take() {
            Some(procfs) => procfs,
            None => private_procfs(root)?,
        };
        let procfs: &OwnedFd = self.0.insert(procfs);
        Ok(procfs.as_fd())
    }
}

fn private_procfs(root: Option<&Root>) -> Result<OwnedFd, Failure> {
    let none = MountAttributes::default();
    match (new_file_system(&NewFileSystem { fs_type: "proc", source: "proc", data: &[], attributes: &none }), root) {
        // A user namespace may mount a procfs only where it sees a whole one: then the container's must do.
        (Err(failure), Some(root)) if failure.errno.as_deref() == Some("EPERM") => {
            let during = || "open \"/proc\" in the rootfs".to_owned();
            let proc = root.open_without_links("/proc", OFlags::PATH | OFlags::DIRECTORY).during(during)?;
            if rustix::fs::fstatfs(&proc).during(during)?.f_type as u64 != PROC_SUPER_MAGIC {
                return Err(Failure::new(FailureCode::Other, during(), "not a procfs"));
            }
            Ok(proc)
        }
        (result, _) => result,
    }
}

/// Opens a file of the procfs itself: neither a link nor anything mounted over it.
fn write_file(procfs: BorrowedFd<'_>, path: &str, content: &str) -> Result<(), Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let file = rustix::fs::openat2(procfs, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve)?;
    rustix::io::write(&file, content.as_bytes()).map(drop)
}

/// `name` with slashes, below /proc/sys.
pub fn set_sysctl(procfs: BorrowedFd<'_>, name: &str, value: &str) -> Result<(), Failure> {
    write_file(procfs, &format!("sys/{name}"), value).during(|| format!("set sysctl {name:?} to {value:?}"))
}

/// Writes an attribute of this process; `self` is a link.
fn write_attribute(procfs: BorrowedFd<'_>, name: &str, content: &str) -> Result<(), Errno> {
    write_file(procfs, &format!("{}/attr/{name}", rustix::process::getpid().as_raw_nonzero()), content)
}

/// The profile that the next execve(2) enters. Kernels before 5.8 have one `exec` for all security modules.
pub fn set_apparmor_profile(procfs: BorrowedFd<'_>, profile: &str) -> Result<(), Failure> {
    let content = format!("exec {profile}");
    let (path, result) = match write_attribute(procfs, "apparmor/exec", &content) {
        Err(Errno::NOENT) => ("exec", write_attribute(procfs, "exec", &content)),
        result => ("apparmor/exec", result),
    };
    // The kernel's answer to a profile that is not loaded.
    let absent = result == Err(Errno::NOENT);
    result.during(|| format!("unable to apply apparmor profile: write {content:?} to /proc/self/attr/{path} (/process/apparmorProfile)")).map_err(|failure| {
        let cause = if absent { format!("{}: no such profile is loaded", failure.cause) } else { failure.cause };
        Failure { cause, ..failure }
    })
}

/// The label that the next execve(2) takes.
pub fn set_exec_label(procfs: BorrowedFd<'_>, label: &str) -> Result<(), Failure> {
    write_attribute(procfs, "exec", label).during(|| format!("write {label:?} to /proc/self/attr/exec (/process/selinuxLabel)"))
}

/// The memory nodes that this process may use, as `0-3`: its cpuset's, so set_mempolicy(2) knows no others.
pub fn allowed_memory_nodes(procfs: BorrowedFd<'_>) -> Option<String> {
    let path = format!("{}/status", rustix::process::getpid().as_raw_nonzero());
    let file = rustix::fs::openat(procfs, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::fs::File::from(file), &mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Mems_allowed_list:")).map(|list| list.trim().to_owned())
}

/// The label of keys that are made from now on; an empty one is the default again.
pub fn set_key_label(label: &str) -> Result<(), Failure> {
    write_attribute(private_procfs(None)?.as_fd(), "keycreate", label)
        .during(|| format!("write {label:?} to /proc/self/attr/keycreate (/process/selinuxLabel)"))
}

/// Labels what is at a path in the container.
pub fn label_file(root: &Root, path: &str, label: &str) -> Result<(), Failure> {
    let during = || format!("label {path:?} {label:?} (/linux/mountLabel)");
    let file = root.open(path, OFlags::RDONLY).during(during)?;
    rustix::fs::fsetxattr(&file, "security.selinux", label.as_bytes(), XattrFlags::empty()).during(during)
}
