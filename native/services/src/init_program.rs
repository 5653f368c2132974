//! The executable of a container's init, in a form that cannot be written: a container must never get hold of a writable file of the host by way
//! of /proc/PID/exe (CVE-2019-5736).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{memfd_create, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mount::{
    fsconfig_create, fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, FsMountFlags, FsOpenFlags, MountAttrFlags,
};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// Which program becomes the init.
#[derive(Clone, Copy, PartialEq)]
pub enum InitProgram {
    /// The running executable, which acts as the init if its argv[0] is `tsrunc-init` (static host).
    OwnExecutable,
    /// The copy embedded in this library (Node host).
    Embedded,
}

/// The init's file and the detached mount that it is on. Unmounting takes an RCU grace period, so drop this where nobody waits for it.
pub struct OpenedInit {
    pub file: OwnedFd,
    _mount: Option<OwnedFd>,
}

/// Opens the init for execveat(2).
///
/// The running executable is opened on an overlay without an upper layer. That shares the page cache, needs no copy, and can never become writable
/// (28 us, compared with 170 us for a memfd of 650 kB). If an overlay is not possible (no privilege, no module, nested too deep), the embedded init
/// is copied to a sealed memfd.
///
/// For a user namespace it is always a copy that others may execute but not read. The kernel then lets no process of that namespace trace the init,
/// which is in their pid namespace while it still has the host's file system (ptrace(2), CVE-2016-9962).
pub fn open(program: InitProgram, state_directory: BorrowedFd<'_>, in_user_namespace: bool) -> Result<OpenedInit, Failure> {
    if program == InitProgram::OwnExecutable && !in_user_namespace {
        if let Ok(opened) = on_overlay(state_directory) {
            return Ok(opened);
        }
    }
    copy(state_directory, if in_user_namespace { Mode::from_raw_mode(0o111) } else { Mode::from_raw_mode(0o755) })
}

fn on_overlay(state_directory: BorrowedFd<'_>) -> Result<OpenedInit, Failure> {
    // An overlay without upper layer needs two lower layers, neither below the other. The second is arbitrary: /dev is hardly ever below the
    // executable's directory, the state directory may be.
    let state = format!("/proc/self/fd/{}", state_directory.as_raw_fd());
    overlay_with("/dev").or_else(|_| overlay_with(&state))
}

fn overlay_with(second_layer: &str) -> Result<OpenedInit, Failure> {
    let during = || "open the init on an overlay".to_owned();
    let path = rustix::fs::readlinkat(rustix::fs::CWD, "/proc/self/exe", Vec::new()).during(during)?;
    let path = path.to_str().map_err(|error| Failure::new(FailureCode::Other, during(), error.to_string()))?;
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = rustix::fs::open(if directory.is_empty() { "/" } else { directory }, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .during(during)?;
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).during(during)?;
    // By descriptor, because colons and commas in a path would separate layers and options.
    let layers = format!("/proc/self/fd/{}:{second_layer}", directory.as_raw_fd());
    fsconfig_set_string(context.as_fd(), "lowerdir", layers).during(during)?;
    fsconfig_create(context.as_fd()).during(during)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).during(during)?;
    let file = rustix::fs::openat(&mount, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let (found, own) = (rustix::fs::fstat(&file).during(during)?, rustix::fs::stat("/proc/self/exe").during(during)?);
    if (found.st_ino, found.st_size) != (own.st_ino, own.st_size) {
        return Err(Failure::new(FailureCode::Other, during(), "the executable was replaced meanwhile"));
    }
    Ok(OpenedInit { file, _mount: Some(mount) })
}

/// Makes a copy for this container alone: a memfd. If the sysctl vm.memfd_noexec is 2, a memfd cannot be executed; then a file on a detached tmpfs
/// or, without the privilege for that, an unnamed file in the state directory.
fn copy(state_directory: BorrowedFd<'_>, mode: Mode) -> Result<OpenedInit, Failure> {
    match in_memory_file(mode) {
        Ok(file) => Ok(OpenedInit { file, _mount: None }),
        Err(Errno::ACCESS) => match on_tmpfs(mode) {
            Err(Errno::PERM) => unnamed_file(state_directory, mode).during(|| "make a copy of the init in the state directory".into()),
            result => result.during(|| "make a copy of the init on a tmpfs".into()),
        },
        Err(errno) => Err(errno).during(|| "make the sealed init".into()),
    }
}

fn in_memory_file(mode: Mode) -> Result<OwnedFd, Errno> {
    let sealable = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = match memfd_create("tsrunc-init", sealable | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("tsrunc-init", sealable), // before Linux 6.3, where every memfd is executable
        result => result,
    }?;
    write_init(&memfd)?;
    rustix::fs::fchmod(&memfd, mode)?;
    seal(&memfd)?;
    Ok(memfd)
}

fn on_tmpfs(mode: Mode) -> Result<OpenedInit, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)?;
    let file = rustix::fs::openat(&mount, "tsrunc-init", OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::RWXU)?;
    let file = finish_copy(file, mode)?;
    // Makes the file system read-only, not only this mount of it.
    fsconfig_set_flag(context.as_fd(), "ro")?;
    fsconfig_reconfigure(context.as_fd())?;
    Ok(OpenedInit { file, _mount: Some(mount) })
}

fn unnamed_file(state_directory: BorrowedFd<'_>, mode: Mode) -> Result<OpenedInit, Errno> {
    let file = rustix::fs::openat(state_directory, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RWXU)?;
    Ok(OpenedInit { file: finish_copy(file, mode)?, _mount: None })
}

/// Fills a new file and opens it again read-only, because a file that is open for writing cannot be executed.
fn finish_copy(file: OwnedFd, mode: Mode) -> Result<OwnedFd, Errno> {
    write_init(&file)?;
    let copy = rustix::fs::open(format!("/proc/self/fd/{}", file.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::fchmod(&copy, mode)?;
    Ok(copy)
}

fn write_init(file: &OwnedFd) -> Result<(), Errno> {
    let mut rest = INIT;
    while !rest.is_empty() {
        rest = &rest[rustix::io::retry_on_intr(|| rustix::io::write(file, rest))?..];
    }
    Ok(())
}

/// Seals the file against writes and against a change of its seals.
///
/// Uses F_SEAL_FUTURE_WRITE, which differs from F_SEAL_WRITE only for existing writable mappings, of which there are none. F_SEAL_WRITE waits until
/// nothing else references a page of the file and fails with EBUSY if that takes too long (memfd_wait_for_pins in mm/memfd.c), which happens under
/// load because of reclaim and compaction.
fn seal(memfd: &OwnedFd) -> rustix::io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE;
    rustix::fs::fcntl_add_seals(memfd, seals)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{fallocate, ftruncate, FallocateFlags};
    use rustix::pipe::{splice, SpliceFlags};

    use super::*;

    #[test]
    fn a_sealed_file_cannot_be_changed_through_any_descriptor() {
        let file = in_memory_file(Mode::RWXU).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        for file in [&file, &rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap()] {
            assert_eq!(rustix::io::pwrite(file, b"x", 0), Err(Errno::PERM));
            assert_eq!(rustix::io::pwrite(file, b"x", INIT.len() as u64), Err(Errno::PERM));
            assert_eq!(ftruncate(file, 0), Err(Errno::PERM));
            assert_eq!(fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4096), Err(Errno::PERM));
            assert_eq!(rustix::fs::fcntl_add_seals(file, SealFlags::WRITE), Err(Errno::PERM));
        }
    }

    #[test]
    fn a_copy_on_a_tmpfs_can_be_executed_but_not_written() {
        let OpenedInit { file, .. } = on_tmpfs(Mode::from_raw_mode(0o111)).unwrap();
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_mode & 0o777, 0o111);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).err(), Some(Errno::ROFS));
        assert_eq!(rustix::fs::fchmod(&file, Mode::RWXU), Err(Errno::ROFS));
        // Without its arguments it exits at once.
        assert_eq!(std::process::Command::new(path).status().unwrap().code(), Some(255));
    }

    #[test]
    fn a_file_can_be_sealed_while_a_page_of_it_is_in_use() {
        let file = memfd_create("held", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::io::write(&file, &[0; 4096]).unwrap();
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(splice(&file, Some(&mut 0), &writer, None, 4096, SpliceFlags::empty()), Ok(4096));
        assert_eq!(seal(&file), Ok(()));
    }
}
