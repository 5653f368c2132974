//! Creates and reconfigures file systems with options that fsconfig(2) does not take: those go to mount(2).

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{mkdirat, Mode};
use rustix::mount::{
    fsconfig_reconfigure, fsconfig_set_flag, fspick, mount, mount_remount, open_tree, unmount, FsPickFlags, MountFlags, OpenTreeFlags, UnmountFlags,
};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountAttribute, MountAttributes};
use tsrunc_sys::errno::During;

use crate::attach::attach;
use crate::attributes::set_attributes;
use crate::copy_up::magic_link;
use crate::file_system::{configure, explained, fits_fsconfig, is_security_context, new_file_system, NewFileSystem};
use crate::overlay::with_layers_one_by_one;

/// Creates a file system with any options that mount(2) takes. `place`: a directory in this mount namespace that may be covered meanwhile.
pub fn new_file_system_with_any_options(new: &NewFileSystem<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    if fits_fsconfig(new.source, new.data) {
        return new_file_system(new);
    }
    match with_layers_one_by_one(new) {
        None => new_by_mount(new, place),
        // The kernel may not have the options for single layers (Linux 6.8).
        Some(Err(refused)) if refused.errno.as_deref() == Some("EINVAL") => {
            new_by_mount(new, place).map_err(|failure| if failure.errno == refused.errno || is_specific(&refused) { refused } else { failure })
        }
        Some(result) => result,
    }
}

/// Whether the kernel knows the options and its message (`explained`) says what is wrong with them. Before Linux 6.5 overlayfs has the legacy
/// interface, which collects any options up to a page ("Legacy: Cumulative options too large").
fn is_specific(refused: &Failure) -> bool {
    const UNKNOWN: [&str; 2] = ["Unknown parameter", "Legacy:"];
    refused.cause.split_once("): ").is_some_and(|(_, words)| !UNKNOWN.iter().any(|unknown| words.contains(unknown)))
}

/// Changes the options of the file system mounted at `at`.
pub fn reconfigure(at: BorrowedFd<'_>, data: &[String], read_only: bool) -> Result<(), Failure> {
    if !fits_fsconfig("", data) {
        let flags = superblock_flags(data) | if read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        return mount_remount(magic_link(at), flags, &*joined(data)?).during(|| "remount".into());
    }
    let context = fspick(at, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC).during(|| "fspick".into())?;
    configure(&context, data)?;
    fsconfig_set_flag(context.as_fd(), if read_only { "ro" } else { "rw" }).map_err(|errno| explained(&context, "set access".into(), errno))?;
    fsconfig_reconfigure(context.as_fd()).map_err(|errno| explained(&context, "reconfigure".into(), errno))
}

/// The longest source, and the longest options, that mount(2) takes: a page with the final NUL. It silently truncates longer options.
const MAX_PAGE: usize = 4095;

/// Creates a file system with mount(2), which needs a path: a directory in a private tmpfs that covers `place` meanwhile. The path is
/// /proc/self/fd/N and one name that nobody else can rename.
fn new_by_mount(new: &NewFileSystem<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    const DIRECTORY: &str = "mount";
    let data = joined(new.data)?;
    if new.source.len() > MAX_PAGE {
        return Err(too_long("source", new.source.len()));
    }
    let private = MountAttributes::default();
    let cover = new_file_system(&NewFileSystem { fs_type: "tmpfs", source: "tmpfs", data: &["mode=700".into()], attributes: &private })?;
    mkdirat(&cover, DIRECTORY, Mode::RWXU).during(|| "make a directory to mount on".into())?;
    attach(cover.as_fd(), place).during(|| "attach a tmpfs to mount on".into())?;
    let read_only = if new.attributes.set.contains(&MountAttribute::Ro) { MountFlags::RDONLY } else { MountFlags::empty() };
    let target = format!("{}/{DIRECTORY}", magic_link(cover.as_fd()));
    let mounted = mount(new.source, target, new.fs_type, superblock_flags(new.data) | read_only, &*data)
        .and_then(|()| open_tree(&cover, DIRECTORY, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC))
        .during(|| "mount(2)".into());
    unmount(magic_link(cover.as_fd()), UnmountFlags::DETACH).during(|| "detach the tmpfs".into())?;
    let mounted = mounted?;
    set_attributes(&mounted, new.attributes, false)?;
    Ok(mounted)
}

/// The options as one string, for mount(2).
fn joined(data: &[String]) -> Result<CString, Failure> {
    let joined = data.iter().map(|entry| quoted(entry)).collect::<Vec<_>>().join(",");
    if joined.len() > MAX_PAGE {
        return Err(too_long("options", joined.len()));
    }
    CString::new(joined).map_err(|_| Failure::new(FailureCode::BadRequest, "join the options", "a zero byte"))
}

fn too_long(what: &str, length: usize) -> Failure {
    Failure::new(FailureCode::TooLarge, format!("hand {what} to mount(2)"), format!("{length} bytes, of which it takes {MAX_PAGE}"))
}

/// For mount(2), SELinux needs quotes around a context with commas.
fn quoted(entry: &str) -> Cow<'_, str> {
    match entry.split_once('=') {
        Some((key, value)) if is_security_context(key) && value.contains(',') => Cow::Owned(format!("{key}=\"{value}\"")),
        _ => Cow::Borrowed(entry),
    }
}

/// The options that are names for fsconfig(2), with every file system, and flags for mount(2).
fn superblock_flags(data: &[String]) -> MountFlags {
    const FLAGS: [(&str, MountFlags); 4] = [
        ("sync", MountFlags::SYNCHRONOUS),
        ("dirsync", MountFlags::DIRSYNC),
        ("mand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
        ("lazytime", MountFlags::LAZYTIME),
    ];
    FLAGS.into_iter().filter(|(name, _)| data.iter().any(|entry| entry == name)).fold(MountFlags::empty(), |flags, (_, flag)| flags | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn joined_options_are_at_most_a_page_and_contexts_are_quoted() {
        assert_eq!(
            joined(&data(&["ro", "context=u:s0:c1,c2", "fscontext=u:s0", "mpol=bind:0,1"])).unwrap().as_c_str(),
            c"ro,context=\"u:s0:c1,c2\",fscontext=u:s0,mpol=bind:0,1"
        );
        let page = "x".repeat(MAX_PAGE);
        assert_eq!(joined(&data(&[&page])).unwrap().as_bytes().len(), MAX_PAGE);
        assert_eq!(joined(&data(&[&page, ""])).unwrap_err().cause, "4096 bytes, of which it takes 4095");
    }

    #[test]
    fn options_that_are_flags_for_mount_become_flags() {
        assert_eq!(superblock_flags(&data(&["size=1m", "sync", "lazytime"])), MountFlags::SYNCHRONOUS | MountFlags::LAZYTIME);
    }
}
