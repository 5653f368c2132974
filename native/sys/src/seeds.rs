//! What an engine seeds its hashes with, in the static program: while the image is being filled the clock stands still and random
//! bytes are zeros, so that two builds of one commit are the same file. These take the place of musl's functions of the same name;
//! QuickJS asks the one for the seed of its maps, Rust's standard library the other.

use crate::image::space_to_fill;

/// gettimeofday(2).
///
/// # Safety
/// `time` is null or leads to a timeval.
#[no_mangle]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut libc::c_void) -> libc::c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller's word; `now` is ours.
    unsafe {
        if space_to_fill().is_none() && libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) != 0 {
            return -1;
        }
        if !time.is_null() {
            *time = libc::timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1000 };
        }
    }
    0
}

/// getrandom(2).
///
/// # Safety
/// `count` bytes can be written at `bytes`.
#[no_mangle]
unsafe extern "C" fn getrandom(bytes: *mut libc::c_void, count: libc::size_t, flags: libc::c_uint) -> libc::ssize_t {
    // SAFETY: the caller's word.
    unsafe {
        if space_to_fill().is_some() {
            bytes.write_bytes(0, count);
            return count as libc::ssize_t;
        }
        libc::syscall(libc::SYS_getrandom, bytes, count, flags) as libc::ssize_t
    }
}
