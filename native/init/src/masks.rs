//! maskedPaths and readonlyPaths (runtime-spec config-linux.md). Runs after the pivot, in the container's namespaces.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountAttribute, MountAttributes};
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::{mount_setattr, MountSetattr};

use crate::attach::attach;
use crate::attributes::attribute_bits;
use crate::file_system::{new_file_system, NewFileSystem};
use crate::root::Root;
use tsrunc_common::clones::clone_mount;

/// The mounts that masks are cloned from.
#[derive(Default)]
pub struct Masks {
    /// The container's /dev/null.
    null: Option<OwnedFd>,
    /// The empty tmpfs of the first masked directory.
    empty: Option<OwnedFd>,
}

impl Masks {
    /// Hides a file behind /dev/null, a directory behind an empty read-only tmpfs; a missing path is skipped.
    pub fn mask(&mut self, root: &Root, path: &str) -> Result<(), Failure> {
        let during = || format!("mask {path:?}");
        let Some(on) = existing(root, path).during(during)? else { return Ok(()) };
        if FileType::from_raw_mode(rustix::fs::fstat(&on).during(during)?.st_mode) == FileType::Directory {
            return self.mask_directory(on).map_err(|failure| Failure { cause: failure.to_string(), operation: during(), ..failure });
        }
        if self.null.is_none() {
            self.null = Some(null_device(root)?);
        }
        if let Some(null) = &self.null {
            let clone = clone_mount(null.as_fd(), false).during(during)?;
            attach(clone.as_fd(), on.as_fd()).during(during)?;
        }
        Ok(())
    }

    fn mask_directory(&mut self, on: OwnedFd) -> Result<(), Failure> {
        if let Some(empty) = &self.empty {
            let clone = clone_mount(empty.as_fd(), false).during(|| "clone the empty tmpfs".into())?;
            return attach(clone.as_fd(), on.as_fd()).during(|| "attach".into());
        }
        let attributes = MountAttributes { set: vec![MountAttribute::Ro], ..MountAttributes::default() };
        let empty =
            new_file_system(&NewFileSystem { fs_type: "tmpfs", source: "tmpfs", data: &["size=0".into(), "mode=755".into()], attributes: &attributes })?;
        attach(empty.as_fd(), on.as_fd()).during(|| "attach".into())?;
        self.empty = Some(empty);
        Ok(())
    }
}

/// The container's /dev/null, verified to be the null device and not a symbolic link (CVE-2025-31133).
fn null_device(root: &Root) -> Result<OwnedFd, Failure> {
    let during = || "open \"/dev/null\" for maskedPaths".to_owned();
    let null = root.open_without_links("/dev/null", OFlags::PATH).map_err(|errno| root.failure("/dev/null", during(), errno))?;
    let stat = rustix::fs::fstat(&null).during(during)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || stat.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(Failure::new(FailureCode::Other, during(), "not the null device (character device 1:3)"));
    }
    Ok(null)
}

/// Makes the tree at a path read-only and keeps its other flags; a missing path is skipped.
pub fn make_readonly(root: &Root, path: &str) -> Result<(), Failure> {
    let during = || format!("make {path:?} read-only");
    let Some(on) = existing(root, path).during(during)? else { return Ok(()) };
    let clone = clone_mount(on.as_fd(), true).during(during)?;
    let (set, _) = attribute_bits(&MountAttributes { set: vec![MountAttribute::Ro], ..MountAttributes::default() });
    mount_setattr(&clone, MountSetattr { set, recursive: true, ..MountSetattr::default() }).during(during)?;
    attach(clone.as_fd(), on.as_fd()).during(during)
}

/// Opens a path below the root; None if it does not exist.
fn existing(root: &Root, path: &str) -> Result<Option<OwnedFd>, Errno> {
    match root.open(path, OFlags::PATH) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        // procfs hides some files from a user namespace; what the container cannot reach needs no mask.
        Err(Errno::ACCESS) => Ok(None),
        Err(errno) => Err(errno),
    }
}
