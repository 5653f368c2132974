//! Makes builds of the static program reproducible: while the image is filled, the time is constant and random bytes are zero, because hash seeds get
//! into the image. These functions replace musl's. QuickJS seeds its maps from gettimeofday, Rust's standard library from getrandom.

use crate::image::space_to_fill;

/// gettimeofday(2).
///
/// # Safety
/// `time` is null or points to a writable timeval.
#[no_mangle]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut libc::c_void) -> libc::c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller guarantees `time`; `now` is a local.
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
    // SAFETY: guaranteed by the caller.
    unsafe {
        if space_to_fill().is_some() {
            bytes.write_bytes(0, count);
            return count as libc::ssize_t;
        }
        libc::syscall(libc::SYS_getrandom, bytes, count, flags) as libc::ssize_t
    }
}
