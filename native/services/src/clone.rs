//! Clones the init of a container (tsrunc_sys::spawn) from its plan.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use tsrunc_plan::container::{ContainerPlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::clone_flag;
use tsrunc_sys::spawn::{spawn, Spawn, Spawned, Wait};

use crate::joins::{has_user_namespace, Join, When};
use crate::opened::Opened;
use crate::{cgroup, idmap, processes};

/// Inputs of a clone beside the plan.
pub struct CloneParts<'a> {
    /// The init's executable.
    pub program: &'a OwnedFd,
    /// The v2 cgroup to clone into.
    pub cgroup: Option<&'a OwnedFd>,
    pub cgroup_limits_memory: bool,
    /// The init's end of the conversation; failures before its exec are reported there.
    pub report: &'a OwnedFd,
    /// Numbers of the descriptors that the init inherits.
    pub inherit: &'a [i32],
}

/// The arguments of the init: its name and the descriptor number of its conversation's socket.
pub fn init_arguments(socket: &OwnedFd) -> Result<[CString; 2], Failure> {
    let number = CString::new(socket.as_raw_fd().to_string()).map_err(|error| Failure::new(FailureCode::BadRequest, "clone the init", error.to_string()))?;
    Ok([c"tsrunc-init".into(), number])
}

/// Clones the init. For a new user namespace, writes its id maps while the process waits.
pub fn clone_init(plan: &ContainerPlan, opened: &Opened, parts: &CloneParts<'_>) -> Result<Spawned, Failure> {
    let args = init_arguments(parts.report)?;
    let makes_user = plan.spawn.create.contains(&Namespace::User);
    let clock_offsets = clock_offsets(plan)?;
    // Made later by the process itself: the cgroup namespace once it is in its cgroup; a time namespace with offsets, which must be set before any
    // process is in it.
    let is_made = |namespace: &Namespace| *namespace != Namespace::Cgroup && (*namespace != Namespace::Time || clock_offsets.is_none());
    let namespaces = plan.spawn.create.iter().filter(|namespace| is_made(namespace)).fold(0, |flags, namespace| flags | clone_flag(*namespace));
    let (wait, go) = match makes_user {
        true => rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map(|(read, write)| (Some(read), Some(write))).during(|| "make a pipe".into())?,
        false => (None, None),
    };
    let joins = spawn_joins(opened);
    let request = Spawn {
        namespaces,
        joins: &joins,
        wait: wait.as_ref().zip(go.as_ref()).map(|(reader, writer)| Wait { reader: reader.as_fd(), writer: writer.as_fd() }),
        clock_offsets: clock_offsets.as_deref(),
        become_root: has_user_namespace(plan),
        cgroup: parts.cgroup.map(AsFd::as_fd),
        cgroup_limits_memory: parts.cgroup_limits_memory,
        cgroup_may_be_frozen: false, // a frozen cgroup was refused
        program: parts.program.as_fd(),
        args: &args,
        inherit: parts.inherit,
        report: parts.report.as_fd(),
    };
    let during = || format!("clone the container's process with namespaces {}", names(&plan.spawn.create));
    let spawned = spawn(&request).during(during).map_err(|failure| match parts.cgroup {
        Some(_) => cgroup::explain_denial(failure), // clone3 needs the permission to move a process from the caller's cgroup
        None => failure,
    })?;
    if let Some(go) = go {
        let mapped = idmap::write_maps(spawned.pid, &plan.spawn).and_then(|()| rustix::io::write(&go, &[1]).during(|| "let the init go on".into()));
        if let Err(failure) = mapped {
            processes::kill_and_reap(&spawned.pidfd);
            return Err(failure);
        }
    }
    Ok(spawned)
}

/// The namespaces that the spawn joins, in this order: those that need the caller's privilege, the user namespace, a pid namespace that the user
/// namespace owns.
fn spawn_joins(opened: &Opened) -> Vec<(Namespace, BorrowedFd<'_>)> {
    let mut joins: Vec<&Join> = opened.joins.iter().filter(|join| join.when != When::InInit).collect();
    joins.sort_by_key(|join| (join.when != When::BeforeUser, join.namespace != Namespace::User));
    joins.into_iter().map(|join| (join.namespace, join.fd.as_fd())).collect()
}

/// The lines of timens_offsets (time_namespaces(7)).
fn clock_offsets(plan: &ContainerPlan) -> Result<Option<CString>, Failure> {
    let lines: String = plan.spawn.clock_offsets.iter().map(|offset| format!("{} {} {}\n", offset.clock, offset.secs, offset.nanosecs)).collect();
    let text = CString::new(lines).map_err(|error| Failure::new(FailureCode::BadRequest, "set clock offsets", error.to_string()))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn names(namespaces: &[Namespace]) -> String {
    let names: Vec<String> = namespaces.iter().map(|namespace| format!("{namespace:?}").to_lowercase()).collect();
    names.join(", ")
}
