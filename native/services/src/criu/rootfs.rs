//! Prepares the root file system of a container for a restore: mounts it for CRIU and makes mount points in it. Paths in it are resolved by the kernel
//! below its descriptor.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{mkdirat, openat, openat2, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{mount_bind_recursive, unmount as detach, UnmountFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::drafts::RESTORE_ROOT;
use crate::store::Lock;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn mount_path(lock: &Lock) -> String {
    format!("{}/{}", lock.path(), RESTORE_ROOT.to_string_lossy())
}

/// Mounts a root file system in the state directory. Returns the path.
pub fn mount(lock: &Lock, rootfs: &str) -> Result<String, Failure> {
    let path = mount_path(lock);
    let during = || format!("mount {rootfs:?} on {path:?} for CRIU");
    mkdirat(lock.dir_fd(), RESTORE_ROOT, Mode::RWXU).during(during)?;
    mount_bind_recursive(rootfs, path.as_str()).during(during)?;
    Ok(path)
}

/// Undoes `mount`.
pub fn unmount(lock: &Lock) -> Result<(), Failure> {
    let path = mount_path(lock);
    let during = || format!("unmount {path:?}");
    match detach(path.as_str(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno).during(during),
    }
    rustix::fs::unlinkat(lock.dir_fd(), RESTORE_ROOT, rustix::fs::AtFlags::REMOVEDIR).during(during)
}

fn open_root(root: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(root, DIRECTORY, Mode::empty())
}

/// Opens a path below a root directory; symbolic links are resolved below it too.
fn open_in(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// Resolves a path below a root directory. Returns the absolute path as seen from that root.
pub fn resolve(root: &str, path: &str) -> Result<String, Failure> {
    let during = || format!("resolve {path:?} in {root:?}");
    let directory = open_root(root).during(during)?;
    let name = |file: &OwnedFd| {
        let text = rustix::fs::readlink(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)), Vec::new()).during(during)?;
        text.into_string().map_err(|_| Failure::new(FailureCode::NotUtf8, during(), "not UTF-8"))
    };
    let found = name(&open_in(&directory, path).during(during)?)?;
    let above = name(&directory)?;
    // The link shows "/" for the root of another mount namespace.
    let rest = if above == "/" { Some(found.as_str()) } else { found.strip_prefix(above.as_str()) };
    match rest {
        Some("") => Ok("/".into()),
        Some(rest) if rest.starts_with('/') => Ok(rest.into()),
        _ => Err(Failure::new(FailureCode::Other, during(), format!("{found:?} is not below {above:?}"))),
    }
}

/// Makes the missing parts of a path below a root directory: directories, and a file as the last part if `source` is not a directory.
pub fn make_mount_point(root: &str, path: &str, source: Option<&str>) -> Result<(), Failure> {
    let during = || format!("make mount point {path:?} in {root:?}");
    let is_file = match source {
        Some(source) => FileType::from_raw_mode(rustix::fs::stat(source).during(|| format!("look at {source:?}"))?.st_mode) != FileType::Directory,
        None => false,
    };
    let directory = open_root(root).during(during)?;
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let mut parent = rustix::io::fcntl_dupfd_cloexec(&directory, 3).during(during)?;
    for (index, name) in names.iter().enumerate() {
        let here = names[..=index].join("/");
        let is_last = index + 1 == names.len();
        parent = match open_in(&directory, &here) {
            Err(Errno::NOENT) if is_last && is_file => {
                return openat(&parent, *name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
                    .map(drop)
                    .during(during)
            }
            Err(Errno::NOENT) => {
                mkdirat(parent.as_fd(), *name, Mode::from_raw_mode(0o755)).during(during)?;
                openat(&parent, *name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).during(during)?
            }
            result => result.during(during)?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn mount_points_stay_below_the_root_whatever_symbolic_links_say() {
        let temp = TempDir::new();
        let root = format!("{}/rootfs", temp.path());
        std::fs::create_dir_all(format!("{root}/real")).unwrap();
        std::os::unix::fs::symlink("/real", format!("{root}/link")).unwrap();
        std::os::unix::fs::symlink("/../../nowhere", format!("{root}/dangling")).unwrap();
        make_mount_point(&root, "/link/a/b", None).unwrap();
        assert!(std::path::Path::new(&format!("{root}/real/a/b")).is_dir());
        make_mount_point(&root, "/link/file", Some("/dev/null")).unwrap();
        make_mount_point(&root, "/link/file", Some("/dev/null")).unwrap();
        assert!(std::path::Path::new(&format!("{root}/real/file")).is_file());
        assert!(make_mount_point(&root, "/dangling/x", None).is_err());
        assert!(!std::path::Path::new(&format!("{}/nowhere", temp.path())).exists());
        assert_eq!(resolve(&root, "/link/a/../a/b").unwrap(), "/real/a/b");
        assert_eq!(resolve(&root, "/../..").unwrap(), "/");
    }
}
