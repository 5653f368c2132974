//! What a create opens on the host before there is a process: namespaces to join, sockets of those who wait for something.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use tsrunc_init::hooks::Output;
use tsrunc_plan::container::{ConsolePlan, ContainerPlan, GatePlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::Operation;
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::{clone_flag, type_of};

use crate::gate;
use crate::seccomp::Filter;
use crate::store::Lock;

/// The descriptors; each has its purpose in the container's plan.
pub struct Opened {
    /// Namespaces to join, in the plan's order.
    pub joins: Vec<(Namespace, OwnedFd)>,
    pub gate: Option<OwnedFd>,
    pub console: Option<OwnedFd>,
    pub pidfd_receiver: Option<OwnedFd>,
    /// Of the seccomp listener.
    pub seccomp_receiver: Option<OwnedFd>,
    pub hook_output: Output,
}

impl Opened {
    /// The namespace of this type that is joined.
    pub fn join(&self, namespace: Namespace) -> Option<BorrowedFd<'_>> {
        self.joins.iter().find(|(known, _)| *known == namespace).map(|(_, fd)| fd.as_fd())
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

/// Opens what a plan names, and makes its gate.
///
/// # Errors
/// What cannot be opened, with the field that asks for it; a namespace of the caller's own that the plan would change.
pub fn open_all(lock: &Lock, plan: &ContainerPlan, filter: Option<&Filter>) -> Result<Opened, Failure> {
    let mut joins = Vec::new();
    for join in &plan.spawn.join {
        let during = || format!("open namespace {:?} ({})", join.path, join.pointer);
        let fd = rustix::fs::open(join.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).during(during)?;
        match type_of(fd.as_fd()) {
            Ok(flag) if flag == clone_flag(join.namespace) => {}
            Ok(_) => return Err(Failure::new(FailureCode::Other, during(), "a namespace of another type")),
            Err(_) => return Err(Failure::new(FailureCode::Other, during(), "not a namespace")),
        }
        joins.push((join.namespace, fd));
    }
    refuse_own_namespace(plan, &joins)?;
    Ok(Opened {
        joins,
        gate: match plan.gate {
            GatePlan::Socket => Some(gate::make(lock)?),
            GatePlan::Channel => None,
        },
        console: match &plan.console {
            ConsolePlan::Socket { path } => Some(gate::connect_to(path, "console socket")?),
            ConsolePlan::None | ConsolePlan::Keep => None,
        },
        pidfd_receiver: plan.pidfd_socket.as_ref().map(|path| gate::connect_to(path, "pidfd socket")).transpose()?,
        seccomp_receiver: filter
            .and_then(|filter| filter.listener.as_ref())
            .map(|listener| gate::connect_to(&listener.path, "seccomp listener"))
            .transpose()?,
        hook_output: Output::open(plan.hook_output.as_ref())?,
    })
}

/// A namespace that is joined by path may be the caller's own: then its names and parameters are the host's.
fn refuse_own_namespace(plan: &ContainerPlan, joins: &[(Namespace, OwnedFd)]) -> Result<(), Failure> {
    for (namespace, joined) in joins {
        let Some(operation) = plan.operations.iter().find_map(|operation| changes(operation, *namespace)) else { continue };
        let link = match namespace {
            Namespace::Network => "/proc/self/ns/net",
            Namespace::Ipc => "/proc/self/ns/ipc",
            _ => "/proc/self/ns/uts",
        };
        let (own, joined) = (rustix::fs::stat(link).during(|| operation.clone())?, rustix::fs::fstat(joined).during(|| operation.clone())?);
        if (own.st_dev, own.st_ino) == (joined.st_dev, joined.st_ino) {
            let kind = format!("{namespace:?}").to_lowercase();
            return Err(Failure::new(FailureCode::Other, operation, format!("the {kind} namespace is the caller's own, it would change the host")));
        }
    }
    Ok(())
}

/// What an operation changes in a namespace of that type.
fn changes(operation: &Operation, namespace: Namespace) -> Option<String> {
    match (operation, namespace) {
        (Operation::Sysctl { name, .. }, Namespace::Network) if name.starts_with("net/") => Some(format!("set sysctl {name:?}")),
        (Operation::Sysctl { name, .. }, Namespace::Ipc) if !name.starts_with("net/") && name != "kernel/domainname" => Some(format!("set sysctl {name:?}")),
        (Operation::Sysctl { name, .. }, Namespace::Uts) if name == "kernel/domainname" => Some(format!("set sysctl {name:?}")),
        (Operation::Hostname { name }, Namespace::Uts) => Some(format!("set hostname {name:?}")),
        (Operation::Domainname { name }, Namespace::Uts) => Some(format!("set domainname {name:?}")),
        _ => None,
    }
}
