//! The namespaces that a container joins by path: opens them, and decides at which stage the container's process joins each.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::container::{ContainerPlan, Namespace, NamespaceJoin};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::Operation;
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::{clone_flag, owner_of, parent_of, type_of};

/// Whether the container is in a user namespace other than the caller's.
pub fn has_user_namespace(plan: &ContainerPlan) -> bool {
    plan.spawn.create.contains(&Namespace::User) || plan.spawn.join.iter().any(|join| join.namespace == Namespace::User)
}

/// When the container's process joins a namespace. setns(2) needs CAP_SYS_ADMIN in the user namespace that owns it.
#[derive(Clone, Copy, PartialEq)]
pub enum When {
    /// Before it enters the container's user namespace: only the caller's privilege suffices.
    BeforeUser,
    /// At the clone: the user namespace itself, and a pid namespace, which takes effect only for children.
    AtSpawn,
    /// In the init, which reports errors best.
    InInit,
}

/// A namespace to join.
pub struct Join {
    pub namespace: Namespace,
    pub fd: OwnedFd,
    pub when: When,
}

/// Opens the namespaces that the plan names.
///
/// # Errors
/// A path that is not a namespace of its type; a namespace of the caller that the plan would modify; a mount namespace in which the container
/// could not mount anything.
pub fn open_namespaces(plan: &ContainerPlan) -> Result<Vec<Join>, Failure> {
    let mut joins = Vec::new();
    for join in &plan.spawn.join {
        let fd = open(join)?;
        let when = if matches!(join.namespace, Namespace::User | Namespace::Pid) { When::AtSpawn } else { When::InInit };
        joins.push(Join { namespace: join.namespace, fd, when });
    }
    refuse_own_namespace(plan, &joins)?;
    if joins.iter().any(|join| join.namespace != Namespace::User) && has_user_namespace(plan) {
        join_foreign_first(plan, &mut joins)?;
    }
    Ok(joins)
}

fn opening(join: &NamespaceJoin) -> String {
    format!("open namespace {:?} ({})", join.path, join.pointer)
}

fn open(join: &NamespaceJoin) -> Result<OwnedFd, Failure> {
    let during = || opening(join);
    let fd = rustix::fs::open(join.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).during(during)?;
    match type_of(fd.as_fd()) {
        Ok(flag) if flag == clone_flag(join.namespace) => Ok(fd),
        Ok(_) => Err(Failure::new(FailureCode::Other, during(), "a namespace of another type")),
        Err(_) => Err(Failure::new(FailureCode::Other, during(), "not a namespace")),
    }
}

/// Marks namespaces that the container's user namespace does not own to be joined before it. A new user namespace owns no existing namespace.
fn join_foreign_first(plan: &ContainerPlan, joins: &mut [Join]) -> Result<(), Failure> {
    let user = joins.iter().position(|join| join.namespace == Namespace::User);
    for index in 0..joins.len() {
        let join = &joins[index];
        let during = || opening(&plan.spawn.join[index]);
        let has_privilege = match user {
            Some(user) => user == index || is_owned_by(join.fd.as_fd(), joins[user].fd.as_fd()).during(during)?,
            None => false,
        };
        if has_privilege {
            continue;
        }
        if join.namespace == Namespace::Mount {
            let cause = "it does not belong to the container's user namespace, which may mount nothing in it";
            return Err(Failure::new(FailureCode::Other, during(), cause));
        }
        joins[index].when = When::BeforeUser;
    }
    Ok(())
}

/// Whether the user namespace `user` or a descendant of it owns a namespace.
fn is_owned_by(namespace: BorrowedFd<'_>, user: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut owner = owner_of(namespace);
    loop {
        match owner {
            Ok(fd) if is_same(fd.as_fd(), user)? => return Ok(true),
            Ok(fd) => owner = parent_of(fd.as_fd()),
            // The owner is an ancestor of the caller's user namespace.
            Err(Errno::PERM) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
}

fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<bool, Errno> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// Refuses to change names or sysctls in a namespace joined by path that is the caller's own, because they would be the host's.
fn refuse_own_namespace(plan: &ContainerPlan, joins: &[Join]) -> Result<(), Failure> {
    for Join { namespace, fd, .. } in joins {
        let Some(operation) = plan.operations.iter().find_map(|operation| changes(operation, *namespace)) else { continue };
        let link = match namespace {
            Namespace::Network => "/proc/self/ns/net",
            Namespace::Ipc => "/proc/self/ns/ipc",
            _ => "/proc/self/ns/uts",
        };
        let (own, joined) = (rustix::fs::stat(link).during(|| operation.clone())?, rustix::fs::fstat(fd).during(|| operation.clone())?);
        if (own.st_dev, own.st_ino) == (joined.st_dev, joined.st_ino) {
            let kind = format!("{namespace:?}").to_lowercase();
            return Err(Failure::new(FailureCode::Other, operation, format!("the {kind} namespace is the caller's own, it would change the host")));
        }
    }
    Ok(())
}

/// What an operation changes in a namespace of this type, as the operation of an error.
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
