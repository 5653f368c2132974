//! Sends the listener of a container's filter to the seccomp agent (config-linux.md#containerprocessstate).

use std::os::fd::{AsFd, OwnedFd};

use tsrunc_common::descriptors;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// The container process state, as JSON. `state`: the container's state (runtime.md#state), as JSON.
pub fn process_state(pid: i32, state: &str, metadata: Option<&str>) -> Result<String, Failure> {
    let unreadable = |error: serde_json::Error| Failure::new(FailureCode::BadRequest, "read the container's state", error.to_string());
    let state: serde_json::Value = serde_json::from_str(state).map_err(unreadable)?;
    let mut process = serde_json::json!({ "ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid, "state": state });
    if let Some(metadata) = metadata {
        process["metadata"] = metadata.into();
    }
    serde_json::to_string(&process).map_err(unreadable)
}

/// Sends a container process state with the listener, and closes the connection, which carries one state only.
pub fn send_listener(receiver: OwnedFd, listener: &OwnedFd, process_state: &str) -> Result<(), Failure> {
    descriptors::send(receiver, process_state.as_bytes(), &[listener.as_fd()]).during(|| "send the seccomp listener (/linux/seccomp/listenerPath)".into())
}
