//! New file systems as detached mounts (fsopen(2), fsconfig(2), fsmount(2)) and changes of those that are there. What mount(2) takes
//! and fsconfig(2) does not, goes to mount(2).

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{mkdirat, Mode};
use rustix::io::Errno;
use rustix::mount::{
    fsconfig_create, fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick, mount, mount_remount, open_tree, unmount,
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MountFlags, OpenTreeFlags, UnmountFlags,
};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{MountAttribute, MountAttributes};
use tsrunc_sys::errno::{os_failure, During};

use crate::attributes::{attribute_bits, set_attributes};
use crate::copy_up::magic_link;
use crate::mounts::attach;
use crate::overlay::with_layers_one_by_one;

/// fsconfig(2) takes keys and values of 256 bytes, with the zero at their end.
pub const MAX_STRING: usize = 255;

/// mount(2) takes a page, with the zero at its end, for the source and for all options; of longer options it drops the rest.
const MAX_PAGE: usize = 4095;

/// A file system to make.
pub struct NewFileSystem<'a> {
    pub fs_type: &'a str,
    pub source: &'a str,
    /// `key` or `key=value` each.
    pub data: &'a [String],
    pub attributes: &'a MountAttributes,
}

/// Makes a file system, as a detached mount.
///
/// # Errors
/// The errno and, where the kernel gives one, the message of the file system (fsopen(2): read from the context).
pub fn new_file_system(new: &NewFileSystem<'_>) -> Result<OwnedFd, Failure> {
    let context = open_context(new)?;
    configure(&context, new.data)?;
    create(&context, new.attributes)
}

/// The same with whatever mount(2) takes. `place` is a directory in this mount namespace that may be covered meanwhile.
pub fn new_file_system_as_by_mount(new: &NewFileSystem<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    if fits_fsconfig(new.source, new.data) {
        return new_file_system(new);
    }
    match with_layers_one_by_one(new) {
        None => new_by_mount(new, place),
        // Perhaps the kernel does not know the options for single layers.
        Some(Err(refused)) if refused.errno.as_deref() == Some("EINVAL") => {
            new_by_mount(new, place).map_err(|failure| if failure.errno == refused.errno || says_why(&refused) { refused } else { failure })
        }
        Some(result) => result,
    }
}

/// Whether the kernel knows the options that it refused, and said what is wrong with them (`explained`). Before Linux 6.5 overlayfs has
/// the old interface, which collects any options up to a page ("Legacy: Cumulative options too large").
fn says_why(refused: &Failure) -> bool {
    const UNKNOWN: [&str; 2] = ["Unknown parameter", "Legacy:"];
    refused.cause.split_once("): ").is_some_and(|(_, words)| !UNKNOWN.iter().any(|unknown| words.contains(unknown)))
}

/// Opens a context for a file system and sets its source.
pub fn open_context(new: &NewFileSystem<'_>) -> Result<OwnedFd, Failure> {
    let context = fsopen(new.fs_type, FsOpenFlags::FSOPEN_CLOEXEC).during(|| format!("open file system {:?}", new.fs_type))?;
    if !new.source.is_empty() {
        fsconfig_set_string(context.as_fd(), "source", new.source).map_err(|errno| explained(&context, "set \"source\"".into(), errno))?;
    }
    Ok(context)
}

/// Makes the file system of a context.
pub fn create(context: &OwnedFd, attributes: &MountAttributes) -> Result<OwnedFd, Failure> {
    if attributes.set.contains(&MountAttribute::Ro) {
        fsconfig_set_flag(context.as_fd(), "ro").map_err(|errno| explained(context, "set \"ro\"".into(), errno))?;
    }
    fsconfig_create(context.as_fd()).map_err(|errno| explained(context, "create".into(), errno))?;
    let (set, _) = attribute_bits(attributes);
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(set as u32)).during(|| "fsmount".into())
}

/// Sets options of a context.
pub fn configure(context: &OwnedFd, data: &[String]) -> Result<(), Failure> {
    for entry in data {
        let result = match entry.split_once('=') {
            Some((key, value)) => fsconfig_set_string(context.as_fd(), key, value),
            None => fsconfig_set_flag(context.as_fd(), entry.as_str()),
        };
        result.map_err(|errno| explained(context, format!("set {entry:?}"), errno))?;
    }
    Ok(())
}

/// Adds the file system's own words, one line without its `e ` prefix.
fn explained(context: &OwnedFd, operation: String, errno: Errno) -> Failure {
    let mut failure = os_failure(operation, errno);
    let mut message = [0u8; 512];
    if let Ok(count) = rustix::io::read(context, &mut message) {
        let text = String::from_utf8_lossy(&message[..count]);
        let text = text.trim_end().strip_prefix("e ").unwrap_or(text.trim_end());
        failure.cause = format!("{}: {text}", failure.cause);
    }
    failure
}

/// Changes the options of the file system that is mounted at `at`.
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

/// Whether fsconfig(2) takes these strings. Many file systems refuse a comma there, which only some know how to escape.
pub fn fits_fsconfig(source: &str, data: &[String]) -> bool {
    let fits = |entry: &String| {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        key.len() <= MAX_STRING && value.len() <= MAX_STRING && (!value.contains(',') || is_security_context(key))
    };
    source.len() <= MAX_STRING && data.iter().all(fits)
}

/// Makes a file system with mount(2), on a directory of a tmpfs that covers `place` meanwhile: mount(2) takes a path, and that way the path
/// is a descriptor's and one name that nobody else can exchange.
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

/// Options as mount(2) takes them.
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

/// Options that SELinux reads, whatever the file system (mount(8)).
fn is_security_context(key: &str) -> bool {
    matches!(key, "context" | "fscontext" | "defcontext" | "rootcontext")
}

/// In the options of mount(2) SELinux wants quotes around a context with commas.
fn quoted(entry: &str) -> Cow<'_, str> {
    match entry.split_once('=') {
        Some((key, value)) if is_security_context(key) && value.contains(',') => Cow::Owned(format!("{key}=\"{value}\"")),
        _ => Cow::Borrowed(entry),
    }
}

/// Options that fsconfig(2) takes by name for every file system, and mount(2) as flags.
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
    fn fsconfig_takes_short_strings_without_commas_but_for_security_contexts() {
        let (most, more) = ("x".repeat(MAX_STRING), "x".repeat(MAX_STRING + 1));
        assert!(fits_fsconfig(&most, &data(&["ro", "size=1m", &format!("{most}={most}"), "context=u:r:t:s0:c1,c2"])));
        assert!(!fits_fsconfig(&more, &[]));
        for entry in [more.clone(), format!("a={more}"), format!("{more}=a"), "lowerdir=/a\\,b".into(), format!("context={more}")] {
            assert!(!fits_fsconfig("", &[entry]));
        }
    }

    #[test]
    fn options_of_mount_are_a_page_at_most_and_quote_contexts() {
        assert_eq!(
            joined(&data(&["ro", "context=u:s0:c1,c2", "fscontext=u:s0", "mpol=bind:0,1"])).unwrap().as_c_str(),
            c"ro,context=\"u:s0:c1,c2\",fscontext=u:s0,mpol=bind:0,1"
        );
        let page = "x".repeat(MAX_PAGE);
        assert_eq!(joined(&data(&[&page])).unwrap().as_bytes().len(), MAX_PAGE);
        assert_eq!(joined(&data(&[&page, ""])).unwrap_err().cause, "4096 bytes, of which it takes 4095");
    }

    #[test]
    fn options_that_mount_takes_as_flags_are_flags() {
        assert_eq!(superblock_flags(&data(&["size=1m", "sync", "lazytime"])), MountFlags::SYNCHRONOUS | MountFlags::LAZYTIME);
    }
}
