//! Sysctls and the labels of AppArmor and SELinux, which are written to procfs. A private procfs is used, so that nothing in an image can redirect
//! the writes (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881). Runs in the container's namespaces.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::MountAttributes;
use tsrunc_sys::errno::{os_failure, During};

use crate::file_system::{new_file_system, NewFileSystem};
use crate::root::Root;

/// statfs(2)'s `f_type` of a procfs.
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// A procfs, mounted when it is first used.
#[derive(Default)]
pub struct KernelFiles(Option<OwnedFd>);

impl KernelFiles {
    /// The caller's procfs, for a process that no container can interfere with.
    pub fn of_caller() -> Result<KernelFiles, Failure> {
        let during = || "open \"/proc\"".to_owned();
        let procfs = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).during(during)?;
        if rustix::fs::fstatfs(&procfs).during(during)?.f_type as u64 != PROC_SUPER_MAGIC {
            return Err(Failure::new(FailureCode::Other, during(), "not a procfs"));
        }
        Ok(KernelFiles(Some(procfs)))
    }

    /// The procfs of this process's pid namespace. `root`: the container's root, once its mounts are made.
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
        // In a user namespace a procfs can be mounted only if another one is fully visible (mount_too_revealing). Otherwise use the container's.
        (Err(failure), Some(root)) if failure.errno.as_deref() == Some("EPERM") => {
            let during = || "open \"/proc\" in the rootfs".to_owned();
            let proc = root.open_without_links("/proc", OFlags::PATH | OFlags::DIRECTORY).map_err(|errno| root.failure("/proc", during(), errno))?;
            if rustix::fs::fstatfs(&proc).during(during)?.f_type as u64 != PROC_SUPER_MAGIC {
                return Err(Failure::new(FailureCode::Other, during(), "not a procfs"));
            }
            Ok(proc)
        }
        (result, _) => result,
    }
}

/// Opens a file of the procfs itself, not through a symbolic link and not one mounted over it.
fn open_file(procfs: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<File, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(procfs, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).map(File::from)
}

/// Opens a file of this process; not through `self`, which is a symbolic link.
fn open_own(procfs: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<File, Errno> {
    open_file(procfs, &format!("{}/{name}", rustix::process::getpid().as_raw_nonzero()), flags)
}

/// Writes with a single write(2), because the kernel takes each as a value of its own.
fn write(file: &File, content: &str) -> Result<(), Errno> {
    rustix::io::write(file, content.as_bytes()).map(drop)
}

/// Writes a file below /proc/sys; `name` has slashes.
pub fn set_sysctl(procfs: BorrowedFd<'_>, name: &str, value: &str) -> Result<(), Failure> {
    open_file(procfs, &format!("sys/{name}"), OFlags::WRONLY).and_then(|file| write(&file, value)).during(|| format!("set sysctl {name:?} to {value:?}"))
}

/// Sets the AppArmor profile for the next execve(2). Kernels before 5.8 have one `exec` file for all security modules.
pub fn set_apparmor_profile(procfs: BorrowedFd<'_>, profile: &str) -> Result<(), Failure> {
    let content = format!("exec {profile}");
    let during = |name: &str| format!("unable to apply apparmor profile: write {content:?} to /proc/self/{name} (/process/apparmorProfile)");
    let (name, file) = match open_own(procfs, "attr/apparmor/exec", OFlags::WRONLY) {
        Err(Errno::NOENT) => ("attr/exec", open_own(procfs, "attr/exec", OFlags::WRONLY)),
        file => ("attr/apparmor/exec", file),
    };
    match write(&file.during(|| during(name))?, &content) {
        Err(Errno::NOENT) => {
            Err(os_failure(during(name), Errno::NOENT)).map_err(|failure| Failure { cause: format!("{}: no such profile is loaded", failure.cause), ..failure })
        }
        result => result.during(|| during(name)),
    }
}

/// Sets the SELinux label for the next execve(2).
pub fn set_exec_label(procfs: BorrowedFd<'_>, label: &str) -> Result<(), Failure> {
    write_own(procfs, "attr/exec", label).during(|| format!("write {label:?} to /proc/self/attr/exec (/process/selinuxLabel)"))
}

fn write_own(procfs: BorrowedFd<'_>, name: &str, content: &str) -> Result<(), Errno> {
    open_own(procfs, name, OFlags::WRONLY).and_then(|file| write(&file, content))
}

/// Explains why set_mempolicy(2) refused nodes: the cpuset does not allow them. None if that is not the reason.
pub fn refused_memory_nodes(procfs: BorrowedFd<'_>, nodes: &[u32]) -> Option<String> {
    let mut text = String::new();
    open_own(procfs, "status", OFlags::RDONLY).ok()?.read_to_string(&mut text).ok()?;
    let allowed = text.lines().find_map(|line| line.strip_prefix("Mems_allowed_list:"))?.trim();
    let is_in = |node: &u32, range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if (first..=last).contains(node))
    };
    let lacks = nodes.iter().any(|node| !allowed.split(',').any(|range| is_in(node, range)));
    lacks.then(|| format!("this container may use the nodes {allowed}"))
}

/// Sets the label of new keys; an empty one restores the default.
pub fn set_key_label(procfs: BorrowedFd<'_>, label: &str) -> Result<(), Failure> {
    write_own(procfs, "attr/keycreate", label).during(|| format!("write {label:?} to /proc/self/attr/keycreate (/process/selinuxLabel)"))
}

/// Sets the SELinux label of a file in the container.
pub fn label_file(root: &Root, path: &str, label: &str) -> Result<(), Failure> {
    let during = || format!("label {path:?} {label:?} (/linux/mountLabel)");
    let file = root.open(path, OFlags::RDONLY).during(during)?;
    rustix::fs::fsetxattr(&file, "security.selinux", label.as_bytes(), XattrFlags::empty()).during(during)
}
