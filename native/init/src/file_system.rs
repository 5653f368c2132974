//! New file systems as detached mounts (fsopen(2), fsconfig(2), fsmount(2)).

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, FsMountFlags, FsOpenFlags, MountAttrFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::operation::{MountAttribute, MountAttributes};
use tsrunc_sys::errno::{os_failure, During};

use crate::attributes::attribute_bits;

/// The longest key or value that fsconfig(2) takes: 256 bytes with the final NUL.
pub const MAX_STRING: usize = 255;

/// A file system to create.
pub struct NewFileSystem<'a> {
    pub fs_type: &'a str,
    pub source: &'a str,
    /// Options, each `key` or `key=value`.
    pub data: &'a [String],
    pub attributes: &'a MountAttributes,
}

/// Creates a file system, as a detached mount.
///
/// # Errors
/// The errno and the file system's own message, if it gives one (read from the context, fsopen(2)).
pub fn new_file_system(new: &NewFileSystem<'_>) -> Result<OwnedFd, Failure> {
    let context = open_context(new)?;
    configure(&context, new.data)?;
    create(&context, new.attributes)
}

/// Opens a file system context and sets its source.
pub fn open_context(new: &NewFileSystem<'_>) -> Result<OwnedFd, Failure> {
    let context = fsopen(new.fs_type, FsOpenFlags::FSOPEN_CLOEXEC).during(|| format!("open file system {:?}", new.fs_type))?;
    if !new.source.is_empty() {
        fsconfig_set_string(context.as_fd(), "source", new.source).map_err(|errno| explained(&context, "set \"source\"".into(), errno))?;
    }
    Ok(context)
}

/// Creates the file system of a context.
pub fn create(context: &OwnedFd, attributes: &MountAttributes) -> Result<OwnedFd, Failure> {
    if attributes.set.contains(&MountAttribute::Ro) {
        fsconfig_set_flag(context.as_fd(), "ro").map_err(|errno| explained(context, "set \"ro\"".into(), errno))?;
    }
    fsconfig_create(context.as_fd()).map_err(|errno| explained(context, "create".into(), errno))?;
    let (set, _) = attribute_bits(attributes);
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(set as u32)).during(|| "fsmount".into())
}

/// Sets the options of a context.
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

/// Adds the file system's own message, one line without its `e ` prefix.
pub fn explained(context: &OwnedFd, operation: String, errno: Errno) -> Failure {
    let mut failure = os_failure(operation, errno);
    let mut message = [0u8; 512];
    if let Ok(count) = rustix::io::read(context, &mut message) {
        let text = String::from_utf8_lossy(&message[..count]);
        let text = text.trim_end().strip_prefix("e ").unwrap_or(text.trim_end());
        failure.cause = format!("{}: {text}", failure.cause);
    }
    failure
}

/// Whether fsconfig(2) takes these strings. Commas go to mount(2): only some file systems can escape them, and many refuse them here.
pub fn fits_fsconfig(source: &str, data: &[String]) -> bool {
    let fits = |entry: &String| {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        key.len() <= MAX_STRING && value.len() <= MAX_STRING && (!value.contains(',') || is_security_context(key))
    };
    source.len() <= MAX_STRING && data.iter().all(fits)
}

/// SELinux options, valid for every file system (mount(8)).
pub fn is_security_context(key: &str) -> bool {
    matches!(key, "context" | "fscontext" | "defcontext" | "rootcontext")
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
}
