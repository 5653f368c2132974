//! The exported functions, without raw pointers.

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::request::Reply;
use tsrunc_services::door::Services;
use tsrunc_services::init_program::InitProgram;

/// One instance for all threads of the process, because any of them may use any handle.
static SERVICES: Mutex<Option<Services>> = Mutex::new(None);

thread_local! {
    /// The part of a reply that did not fit into the caller's buffer.
    static REST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes the reply to `request` to `buffer`, as far as it fits. Returns the reply's full length; -1 if it exceeds i32.
pub fn call(request: &[u8], buffer: &mut [u8]) -> i32 {
    let reply = catch_unwind(|| {
        // A panic in an earlier request poisons the lock, but the handles are still valid.
        let mut services = SERVICES.lock().unwrap_or_else(PoisonError::into_inner);
        services.get_or_insert_with(|| Services::new(InitProgram::Embedded)).call(request)
    })
    .unwrap_or_else(|panic| panicked(panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str))));
    write_reply(reply, buffer)
}

/// Moves the rest of a reply to `buffer` and returns its length; -1 if it does not fit.
pub fn rest(buffer: &mut [u8]) -> i32 {
    let rest = REST.take();
    match (buffer.get_mut(..rest.len()), i32::try_from(rest.len())) {
        (Some(buffer), Ok(length)) => {
            buffer.copy_from_slice(&rest);
            length
        }
        _ => -1,
    }
}

fn write_reply(mut reply: Vec<u8>, buffer: &mut [u8]) -> i32 {
    let Ok(length) = i32::try_from(reply.len()) else { return -1 };
    let fits = reply.len().min(buffer.len());
    buffer[..fits].copy_from_slice(&reply[..fits]);
    reply.drain(..fits);
    REST.set(reply);
    length
}

fn panicked(message: Option<&str>) -> Vec<u8> {
    let failure = Failure::new(FailureCode::Other, "carry out request", format!("panic: {}", message.unwrap_or("unknown reason")));
    catch_unwind(AssertUnwindSafe(|| serde_json::to_vec(&Reply::Failed { failure }).unwrap_or_default())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &[u8] = br#"{"op":"now"}"#;

    #[test]
    fn a_reply_that_fits_leaves_no_rest() {
        let mut buffer = [0; 256];
        let length = call(NOW, &mut buffer);
        assert!(buffer[..length as usize].starts_with(br#"{"kind":"text","text":""#));
        assert_eq!(rest(&mut buffer), 0);
    }

    #[test]
    fn a_reply_that_does_not_fit_comes_in_two_parts() {
        let (mut start, mut end) = ([0; 10], [0; 256]);
        let length = call(NOW, &mut start) as usize;
        let rest = rest(&mut end) as usize;
        assert_eq!(rest, length - start.len());
        let whole = [&start[..], &end[..rest]].concat();
        assert!(matches!(serde_json::from_slice(&whole), Ok(Reply::Text { .. })));
    }

    #[test]
    fn a_rest_that_does_not_fit_is_refused() {
        let mut buffer = [0; 4];
        call(NOW, &mut buffer);
        assert_eq!(rest(&mut buffer), -1);
    }

    #[test]
    fn malformed_json_gives_a_failed_reply() {
        let mut buffer = [0; 512];
        let length = call(b"nonsense", &mut buffer) as usize;
        assert!(matches!(serde_json::from_slice(&buffer[..length]), Ok(Reply::Failed { .. })));
    }

    #[test]
    fn a_panic_gives_a_failed_reply() {
        let reply = serde_json::from_slice(&panicked(Some("index out of bounds")));
        let Ok(Reply::Failed { failure }) = reply else { panic!("{reply:?}") };
        assert_eq!(failure.to_string(), "carry out request: panic: index out of bounds");
    }
}
