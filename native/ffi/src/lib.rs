//! The native layer as a shared library for Node.js (src/hosts/node.ts), called through ffi-rs: bytes in, bytes out. The caller owns both buffers.
//! Integers are in the messages, because ffi-rs passes 64-bit ones as doubles.
//!
//! A panic must not unwind out of an exported function, which would abort the embedding process.

mod door;

/// Executes the request in `request` and writes the reply to `reply`, as far as it fits.
///
/// Returns the reply's length in bytes; `tsrunc_rest` returns what is beyond `reply_capacity`. -1 for a null pointer or a negative length.
///
/// # Safety
/// `request` must be valid for reads of `request_length` bytes, `reply` for writes of `reply_capacity` bytes, and they
/// must not overlap.
#[allow(unsafe_code)]
#[no_mangle]
pub unsafe extern "C" fn tsrunc_call(request: *const u8, request_length: i32, reply: *mut u8, reply_capacity: i32) -> i32 {
    let (Ok(request_length), Ok(reply_capacity)) = (usize::try_from(request_length), usize::try_from(reply_capacity)) else { return -1 };
    if request.is_null() || reply.is_null() {
        return -1;
    }
    // SAFETY: not null; the caller guarantees the lengths.
    let (request, reply) = unsafe { (std::slice::from_raw_parts(request, request_length), std::slice::from_raw_parts_mut(reply, reply_capacity)) };
    door::call(request, reply)
}

/// Writes the rest of the last reply in this thread to `buffer`, once.
///
/// Returns its length; -1 if it does not fit in `capacity`, for a null pointer or a negative length.
///
/// # Safety
/// `buffer` must be valid for writes of `capacity` bytes.
#[allow(unsafe_code)]
#[no_mangle]
pub unsafe extern "C" fn tsrunc_rest(buffer: *mut u8, capacity: i32) -> i32 {
    let Ok(capacity) = usize::try_from(capacity) else { return -1 };
    if buffer.is_null() {
        return -1;
    }
    // SAFETY: not null; the caller guarantees the length.
    door::rest(unsafe { std::slice::from_raw_parts_mut(buffer, capacity) })
}
