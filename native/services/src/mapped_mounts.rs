//! Idmapped bind mounts (config.md#mounts, `idmap` and `uidMappings`). Runs in the creator, because mapping needs CAP_SYS_ADMIN in the user
//! namespace of the file system, which root of a container does not have, and a mount that was never attached (mount_setattr(2)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use tsrunc_common::clones::clone_path;
use tsrunc_common::mountinfo::{self, MountEntry};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_plan::operation::{MountSource, Operation, OwnerMap, SourceLink};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::namespaces::map_owners;
use tsrunc_sys::user_namespace::Holder;

use crate::bind_sources::{clone_for_user_namespace, keep_from_host, root_propagation, DetachedMount};
use crate::idmap::write_with_privilege;

/// The user namespace of a container.
#[derive(Clone, Copy)]
pub enum User<'a> {
    Callers,
    New,
    Joined(BorrowedFd<'a>),
}

/// Clones the sources of all idmapped binds and adds the clones to `sources`.
///
/// # Errors
/// A missing source, a file system that cannot be idmapped, a caller without the privilege.
pub fn clone_mapped(operations: &[Operation], user: User<'_>, sources: &mut Vec<DetachedMount>) -> Result<(), Failure> {
    let root_propagation = root_propagation(operations);
    let mut made: Vec<(OwnerMap, OwnedFd)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let Operation::Mount { source: MountSource::MappedBind { source, recursive, link, owners, map_recursive }, pointer, .. } = operation else { continue };
        let during = || format!("bind {source:?} with mapped owners ({pointer})");
        let namespace = if owners.uid_mappings.is_empty() {
            match user {
                User::Joined(namespace) => namespace,
                User::Callers | User::New => return Err(Failure::new(FailureCode::BadRequest, during(), "no user namespace is joined")),
            }
        } else {
            if !made.iter().any(|(known, _)| known == owners) {
                made.push((owners.clone(), namespace_with(&owners.uid_mappings, &owners.gid_mappings)?));
            }
            made.iter().find(|(known, _)| known == owners).map(|(_, fd)| fd.as_fd()).ok_or(Errno::NOENT).during(during)?
        };
        let clone = match user {
            User::Callers => clone_path(source.as_bytes(), *recursive, *link).during(during)?,
            User::New | User::Joined(_) => clone_for_user_namespace(source, *recursive, *link, during)?,
        };
        match map_owners(&clone, namespace, *map_recursive) {
            Ok(()) => {}
            Err(Errno::INVAL) => {
                let failed = os_failure(during(), Errno::INVAL);
                return Err(match unsupported_file_system(source, *link, *map_recursive, namespace) {
                    Some(cause) => Failure { cause, ..failed },
                    None => failed,
                });
            }
            Err(errno) => return Err(errno).during(during),
        }
        keep_from_host(&clone, root_propagation).during(during)?;
        sources.push(DetachedMount { operation: index, clone });
    }
    Ok(())
}

/// A user namespace with these maps and without processes.
fn namespace_with(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Failure> {
    let during = || "make a user namespace for a mount's owners".to_owned();
    let holder = Holder::new().during(during)?;
    write_with_privilege(holder.pid, uids, gids)?;
    holder.open().during(during)
}

/// An error text that names the first of the source's mounts whose file system cannot be idmapped, if there is one.
fn unsupported_file_system(source: &str, link: SourceLink, recursive: bool, namespace: BorrowedFd<'_>) -> Option<String> {
    let table = mountinfo::read().ok()?;
    let id = mountinfo::id_of(source, AtFlags::empty()).ok()?;
    let resolved = std::fs::canonicalize(source).ok()?;
    let cannot = |at: &[u8]| clone_path(at, false, link).is_ok_and(|clone| map_owners(clone, namespace, false) == Err(Errno::INVAL));
    let own = table.iter().find(|entry| entry.id == id).filter(|_| cannot(source.as_bytes()));
    let below = || mountinfo::at_or_below(&table, resolved.as_os_str().as_encoded_bytes()).find(|entry| recursive && cannot(&entry.point));
    let MountEntry { fs_type, point, .. } = own.or_else(below)?;
    Some(format!("the file system {fs_type:?} on {:?} cannot map owners", String::from_utf8_lossy(point)))
}
