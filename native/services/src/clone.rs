//! Clones the init of a container (tsrunc_sys::spawn) from its plan.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{pidfd_send_signal, waitid, Signal, WaitId, WaitIdOptions};
use tsrunc_common::wait;
use tsrunc_plan::container::{ContainerPlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::clone_flag;
use tsrunc_sys::spawn::{spawn, Spawn, Spawned, Wait};

use crate::joins::{Join, When};
use crate::opened::Opened;
use crate::{cgroup, idmap};

/// Whether the container is in a user namespace other than the caller's.
pub fn has_user_namespace(plan: &ContainerPlan) -> bool {
    plan.spawn.create.contains(&Namespace::User) || plan.spawn.join.iter().any(|join| join.namespace == Namespace::User)
}

/// How long a killed child may take to end: one that is frozen in cgroup v1, or in uninterruptible sleep, ends later, and is reaped by whoever it is left to.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Kills a child and waits for it. A child that is gone already is what was wanted.
pub fn kill_and_reap(pidfd: &OwnedFd) {
    if let Err(_gone) = pidfd_send_signal(pidfd, Signal::KILL) {}
    let mut watched = [PollFd::new(pidfd, PollFlags::IN)];
    if wait::any(&mut watched, Some(Instant::now() + END_PATIENCE)) == Ok(true) {
        if let Err(_reaped) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {}
    }
}

/// What the clone is given.
pub struct CloneParts<'a> {
    /// The init.
    pub program: &'a OwnedFd,
    /// v2 cgroup to be born in.
    pub cgroup: Option<&'a OwnedFd>,
    pub cgroup_limits_memory: bool,
    /// Where the init tells how it goes.
    pub report: &'a OwnedFd,
    /// Numbers of the descriptors that it keeps.
    pub inherit: &'a [i32],
}

/// The arguments of the init: its name and the number of the socket of its conversation.
pub fn init_arguments(socket: &OwnedFd) -> Result<[CString; 2], Failure> {
    let number = CString::new(socket.as_raw_fd().to_string()).map_err(|error| Failure::new(FailureCode::BadRequest, "clone the init", error.to_string()))?;
    Ok([c"tsrunc-init".into(), number])
}

/// Clones the init; where a user namespace is made or joined, writes its maps meanwhile.
pub fn clone_init(plan: &ContainerPlan, opened: &Opened, parts: &CloneParts<'_>) -> Result<Spawned, Failure> {
    let args = init_arguments(parts.report)?;
    let makes_user = plan.spawn.create.contains(&Namespace::User);
    let clock_offsets = clock_offsets(plan)?;
    // Made later: the cgroup namespace in its cgroup, a time namespace with offsets before anybody is in it.
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
        cgroup_may_be_frozen: false, // refused
        program: parts.program.as_fd(),
        args: &args,
        inherit: parts.inherit,
        report: parts.report.as_fd(),
    };
    let during = || format!("clone the container's process with namespaces {}", names(&plan.spawn.create));
    let spawned = spawn(&request).during(during).map_err(|failure| match parts.cgroup {
        Some(_) => cgroup::explain_denial(failure), // clone3 looks at the way from the caller's cgroup to that one
        None => failure,
    })?;
    if let Some(go) = go {
        let mapped = idmap::write_maps(spawned.pid, &plan.spawn).and_then(|()| rustix::io::write(&go, &[1]).during(|| "let the init go on".into()));
        if let Err(failure) = mapped {
            kill_and_reap(&spawned.pidfd);
            return Err(failure);
        }
    }
    Ok(spawned)
}

/// What the spawn joins: what needs the caller's privilege, then the user namespace, then a pid namespace that this one owns.
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
