//! Hands the listener of a container's filter to whoever answers for it (config-linux.md#containerprocessstate).

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{send, sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// The container process state as text.
///
/// `state`: the container's own (runtime.md#state), as text.
pub fn process_state(pid: i32, state: &str, metadata: Option<&str>) -> Result<String, Failure> {
    let unreadable = |error: serde_json::Error| Failure::new(FailureCode::BadRequest, "read the container's state", error.to_string());
    let state: serde_json::Value = serde_json::from_str(state).map_err(unreadable)?;
    let mut process = serde_json::json!({ "ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid, "state": state });
    if let Some(metadata) = metadata {
        process["metadata"] = metadata.into();
    }
    serde_json::to_string(&process).map_err(unreadable)
}

/// Sends a container process state with its descriptor, and closes the connection: one state for each.
pub fn hand_over(receiver: OwnedFd, listener: &OwnedFd, process_state: &str) -> Result<(), Failure> {
    let during = || "send the seccomp listener (/linux/seccomp/listenerPath)".to_owned();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [listener.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let mut rest = process_state.as_bytes();
    let sent = sendmsg(&receiver, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL).during(during)?;
    rest = &rest[sent..];
    while !rest.is_empty() {
        let sent = send(&receiver, rest, SendFlags::NOSIGNAL).during(during)?;
        rest = &rest[sent..];
    }
    Ok(())
}
