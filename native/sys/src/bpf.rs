//! bpf(2), as far as device filters of cgroup v2 need it.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::namespaces::check;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;

/// One instruction as the kernel takes it (struct bpf_insn).
pub type Instruction = u64;

/// Loads a device filter.
pub fn load_device_filter(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
    }
    let attributes = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: c"Apache".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: the attributes and the program live through the call; the new descriptor is ours.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_bpf, PROG_LOAD, &attributes as *const Load, size_of::<Load>()))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Attaches a device filter to a cgroup beside those of others: access needs the consent of all.
pub fn attach_device_filter(cgroup: BorrowedFd<'_>, program: &OwnedFd) -> Result<(), Errno> {
    #[repr(C)]
    struct Attach {
        target_fd: u32,
        attach_bpf_fd: u32,
        attach_type: u32,
        attach_flags: u32,
    }
    let attributes = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
    };
    // SAFETY: the attributes live through the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &attributes as *const Attach, size_of::<Attach>()) }).map(drop)
}
