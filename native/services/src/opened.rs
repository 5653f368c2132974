//! What a create opens on the host before it clones a process: namespaces to join, and the sockets that its caller named.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use tsrunc_common::hooks::Output;
use tsrunc_plan::container::{ConsolePlan, ContainerPlan, GatePlan, Namespace};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use crate::gate;
use crate::joins::{open_namespaces, Join};
use crate::seccomp::Filter;
use crate::store::Lock;

/// Descriptors that a create needs.
pub struct Opened {
    /// Namespaces to join, in the plan's order.
    pub joins: Vec<Join>,
    pub gate: Option<OwnedFd>,
    pub console: Option<OwnedFd>,
    pub pidfd_receiver: Option<OwnedFd>,
    /// The seccomp agent's socket (listenerPath).
    pub seccomp_receiver: Option<OwnedFd>,
    pub hook_output: Output,
}

impl Opened {
    /// The namespace of this type that the container joins.
    pub fn join(&self, namespace: Namespace) -> Option<BorrowedFd<'_>> {
        self.joins.iter().find(|join| join.namespace == namespace).map(|join| join.fd.as_fd())
    }

    /// The container's network namespace: the one that it joins, or its first process's own.
    pub fn network_namespace(&self, pid: i32) -> Result<OwnedFd, Failure> {
        let during = || "open the container's network namespace".to_owned();
        match self.join(Namespace::Network) {
            Some(joined) => rustix::io::fcntl_dupfd_cloexec(joined, 3).during(during),
            None => rustix::fs::open(format!("/proc/{pid}/ns/net"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during),
        }
    }
}

/// Opens what the plan names, and makes the start gate.
///
/// # Errors
/// Something that cannot be opened, with the field that names it; those of `open_namespaces`.
pub fn open_all(lock: &Lock, plan: &ContainerPlan, filter: Option<&Filter>) -> Result<Opened, Failure> {
    Ok(Opened {
        joins: open_namespaces(plan)?,
        gate: match plan.gate {
            GatePlan::Socket => Some(gate::make(lock)?),
            GatePlan::Channel => None,
        },
        console: match &plan.console {
            ConsolePlan::Socket { path } => Some(gate::connect_to(path, "connect to console socket")?),
            ConsolePlan::None | ConsolePlan::Keep => None,
        },
        pidfd_receiver: plan.pidfd_socket.as_ref().map(|path| gate::connect_to(path, "connect to pidfd socket")).transpose()?,
        seccomp_receiver: filter
            .and_then(|filter| filter.listener.as_ref())
            .map(|listener| gate::connect_to(&listener.path, "failed to connect with seccomp agent"))
            .transpose()?,
        hook_output: Output::open(plan.hook_output.as_ref())?,
    })
}
