//! Device filters of cgroups (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::namespaces::check;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Allows more than one program on the cgroup, and programs on its descendants. All of them must allow an access.
const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;

const NAME_BYTES: usize = 16;

/// One instruction (struct bpf_insn).
pub type Instruction = u64;

/// `attributes` has the layout of the command's part of union bpf_attr; the kernel takes the rest as zero.
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> Result<libc::c_long, Errno> {
    // SAFETY: every caller passes a repr(C) structure of the command's layout, whose pointers live through the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, attributes as *mut T, size_of::<T>()) })
}

/// A new descriptor from bpf(2), which is always close-on-exec.
fn owned(number: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just created it; it has no other owner.
    unsafe { OwnedFd::from_raw_fd(number as i32) }
}

fn padded(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    bytes.iter_mut().take(NAME_BYTES - 1).zip(name.bytes()).for_each(|(to, from)| *to = from);
    bytes
}

/// Loads a device filter. `name`: up to 15 letters, digits and underscores; `attached_device_filter` finds the filter by it.
///
/// # Errors
/// `EPERM` without privilege; `EINVAL` or `EACCES` if the kernel's verifier refuses the program.
pub fn load_device_filter(program: &[Instruction], name: &str) -> Result<OwnedFd, Errno> {
    #[repr(C)]
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
        prog_name: [u8; NAME_BYTES],
    }
    let mut attributes = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: c"Apache".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: padded(name),
    };
    bpf(PROG_LOAD, &mut attributes).map(owned)
}

/// Attaches a device filter to a cgroup2 directory. Replaces `replaced`, if given, atomically (Linux 5.6).
pub fn attach_device_filter(cgroup: BorrowedFd<'_>, program: &OwnedFd, replaced: Option<&OwnedFd>) -> Result<(), Errno> {
    #[repr(C)]
    struct Attach {
        target_fd: i32,
        attach_bpf_fd: i32,
        attach_type: u32,
        attach_flags: u32,
        replace_bpf_fd: i32,
    }
    let mut attributes = Attach {
        target_fd: cgroup.as_raw_fd(),
        attach_bpf_fd: program.as_raw_fd(),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: if replaced.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI },
        replace_bpf_fd: replaced.map_or(0, AsRawFd::as_raw_fd),
    };
    bpf(PROG_ATTACH, &mut attributes).map(drop)
}

/// The first device filter with that name that is attached to the cgroup itself.
pub fn attached_device_filter(cgroup: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>, Errno> {
    for id in attached_ids(cgroup)? {
        let program = match by_id(id) {
            Err(Errno::NOENT) => continue, // detached meanwhile
            program => program?,
        };
        if name_of(&program)? == padded(name) {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

fn attached_ids(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    #[repr(C)]
    struct Query {
        target_fd: i32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        prog_ids: u64,
        prog_cnt: u32,
    }
    let mut ids = vec![0u32; 64]; // BPF_CGROUP_MAX_PROGS
    let mut attributes = Query {
        target_fd: cgroup.as_raw_fd(),
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: ids.len() as u32,
    };
    bpf(PROG_QUERY, &mut attributes)?;
    ids.truncate(attributes.prog_cnt as usize);
    Ok(ids)
}

fn by_id(id: u32) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct ById {
        prog_id: u32,
        next_id: u32,
        open_flags: u32,
    }
    bpf(PROG_GET_FD_BY_ID, &mut ById { prog_id: id, next_id: 0, open_flags: 0 }).map(owned)
}

fn name_of(program: &OwnedFd) -> Result<[u8; NAME_BYTES], Errno> {
    /// struct bpf_prog_info up to the name; the kernel fills no more than there is room for. Zeros ask for no instructions.
    #[repr(C)]
    struct Info {
        before_name: [u64; 8],
        name: [u8; NAME_BYTES],
    }
    #[repr(C)]
    struct InfoByFd {
        bpf_fd: i32,
        info_len: u32,
        info: u64,
    }
    let mut info = Info { before_name: [0; 8], name: [0; NAME_BYTES] };
    let mut attributes = InfoByFd { bpf_fd: program.as_raw_fd(), info_len: size_of::<Info>() as u32, info: &raw mut info as u64 };
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(info.name)
}
