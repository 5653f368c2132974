//! uid and gid maps of a new user namespace (user_namespaces(7)).

use std::process::{Command, Stdio};

use tsrunc_plan::container::SpawnPlan;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_sys::errno::During;

/// Writes both id maps of a process that waits for them: directly with privilege; through newuidmap(1) and newgidmap(1) without, except for a map
/// of only the caller's own id.
pub fn write_maps(pid: i32, plan: &SpawnPlan) -> Result<(), Failure> {
    let own_uid = rustix::process::geteuid().as_raw();
    let own_gid = rustix::process::getegid().as_raw();
    if !plan.rootless {
        return write_with_privilege(pid, &plan.uid_mappings, &plan.gid_mappings);
    }
    if is_own(&plan.gid_mappings, own_gid) {
        // Without privilege the kernel accepts a gid_map only after setgroups is disabled (user_namespaces(7)).
        let path = format!("/proc/{pid}/setgroups");
        std::fs::write(&path, "deny").during(|| format!("write \"deny\" to {path:?}"))?;
        write_map(pid, "gid_map", &plan.gid_mappings)?;
    } else {
        run_tool("newgidmap", pid, &plan.gid_mappings)?;
    }
    if is_own(&plan.uid_mappings, own_uid) {
        write_map(pid, "uid_map", &plan.uid_mappings)
    } else {
        run_tool("newuidmap", pid, &plan.uid_mappings)
    }
}

/// Writes both maps of a process with the caller's own privilege.
pub fn write_with_privilege(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), Failure> {
    write_map(pid, "uid_map", uids)?;
    write_map(pid, "gid_map", gids)
}

fn is_own(mappings: &[IdMapping], id: u32) -> bool {
    matches!(mappings, [only] if only.host_id == id && only.size == 1)
}

fn write_map(pid: i32, file: &str, mappings: &[IdMapping]) -> Result<(), Failure> {
    let text = mappings.iter().map(|line| format!("{} {} {}\n", line.container_id, line.host_id, line.size)).collect::<String>();
    let path = format!("/proc/{pid}/{file}");
    // One write(2), because a map can be written only once.
    std::fs::write(&path, &text).during(|| format!("write {path:?}"))
}

fn run_tool(tool: &str, pid: i32, mappings: &[IdMapping]) -> Result<(), Failure> {
    let numbers = mappings.iter().flat_map(|line| [line.container_id, line.host_id, line.size]).map(|number| number.to_string());
    let output = Command::new(tool).arg(pid.to_string()).args(numbers).stdin(Stdio::null()).output().during(|| format!("run {tool:?} (package uidmap)"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(FailureCode::Other, format!("run {tool:?}"), format!("{}: {message}", output.status)))
}
