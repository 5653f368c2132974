//! Changes the mounts of a running container: the caller's side. The container's side is native/init/src/change_mounts.rs.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
use tsrunc_common::clones::clone_path;
use tsrunc_common::propagation::set_propagation;
use tsrunc_common::protocol::{Channel, FromInit, MountsStart, ToInit};
use tsrunc_plan::container::{MountsPlan, Namespace};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountSource, Operation, Propagation};
use tsrunc_sys::errno::During;
use tsrunc_sys::spawn::{spawn, Spawn, Spawned};

use crate::bind_sources::{clone_for_user_namespace, DetachedMount};
use crate::clone::init_arguments;
use crate::conversation::next_message;
use crate::exec::{ended, has_ended, open_root};
use crate::init_program::{self, InitProgram};
use crate::interrupts::wait_for_process;
use crate::mapped_mounts::{self, User};
use crate::pending::Pending;
use crate::{processes, shared_namespaces, state_root};

/// Mounts and unmounts in the container `id` of the state root `root`.
///
/// # Errors
/// `Finished` if the container's first process has exited; the operation that failed. Nothing is changed then.
pub fn change(program: InitProgram, (root, id): (&str, &str), plan: &MountsPlan) -> Result<(), Failure> {
    let directory = state_root::open_trusted(root, id)?;
    let init = processes::open(&plan.init)?.ok_or_else(|| ended(&plan.init))?;
    let namespaces = shared_namespaces::to_join(plan.init.pid, &plan.namespaces)?;
    let in_user_namespace = namespaces.contains(&Namespace::User);
    let mounts = clone_sources(plan, in_user_namespace)?;
    let container_root = plan.chroot.then(|| open_root(&plan.init)).transpose()?;
    // As the first process is still alive, everything opened above is the container's.
    if has_ended(&init)? {
        return Err(ended(&plan.init));
    }
    let program = init_program::open(program, directory.as_fd(), in_user_namespace)?;
    let during = || "make the socket of the process".to_owned();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(during)?;
    let args = init_arguments(&theirs)?;
    let inherit: Vec<i32> = std::iter::once(theirs.as_raw_fd()).chain(mounts.iter().map(|mount| mount.clone.as_raw_fd())).collect();
    let Spawned { pid, pidfd, mut memory } =
        spawn(&Spawn::plain(program.file.as_fd(), &args, &inherit, theirs.as_fd())).during(|| "clone the process".into())?;
    memory.wait();
    // Never released: dropping it kills and reaps the process.
    let mut pending = Pending::new(pid, pidfd);
    pending.starts = true;
    drop(theirs);
    let start = MountsStart {
        namespaces: Cow::Owned(namespaces),
        chroot: plan.chroot,
        add: Cow::Borrowed(&plan.add),
        source_clones: mounts.iter().map(|mount| (mount.operation, mount.clone.as_raw_fd())).collect(),
        remove: Cow::Borrowed(&plan.remove),
    };
    let channel = Channel::new(ours);
    let descriptors: Vec<OwnedFd> = std::iter::once(init).chain(container_root).collect();
    channel.send_with(&ToInit::Mounts(Box::new(start)), &descriptors)?;
    loop {
        wait_for_process(&channel, &pending.pidfd, None)?;
        match next_message(&channel)? {
            FromInit::Forked(pid) => {
                pending.replace_process(pid)?;
                channel.send(&ToInit::Continue { state: String::new() })?;
            }
            FromInit::Ready => return Ok(()),
            FromInit::Failed(failure) | FromInit::PidsLimit(failure) => return Err(failure),
            _ => return Err(Failure::new(FailureCode::Other, "change the mounts", "the process answered out of turn")),
        }
    }
}

/// Clones all bind sources, because the process cannot resolve their paths once it is in the container.
fn clone_sources(plan: &MountsPlan, in_user_namespace: bool) -> Result<Vec<DetachedMount>, Failure> {
    let mut sources = Vec::new();
    for (index, operation) in plan.add.iter().enumerate() {
        let Operation::Mount { source: MountSource::Bind { source, recursive, link }, pointer, .. } = operation else { continue };
        let during = || format!("clone bind source {source:?} ({pointer})");
        let clone = match in_user_namespace {
            true => clone_for_user_namespace(source, *recursive, *link, during)?,
            false => clone_path(source.as_bytes(), *recursive, *link).during(during)?,
        };
        // Like the container's own copies of the host's mounts.
        set_propagation(&clone, Propagation::Rslave).during(during)?;
        sources.push(DetachedMount { operation: index, clone });
    }
    let path = format!("/proc/{}/ns/user", plan.init.pid);
    let namespace = match in_user_namespace {
        true => Some(rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(|| format!("open {path:?}"))?),
        false => None,
    };
    let user = namespace.as_ref().map_or(User::Callers, |namespace| User::Joined(namespace.as_fd()));
    mapped_mounts::clone_mapped(&plan.add, user, &mut sources)?;
    Ok(sources)
}
