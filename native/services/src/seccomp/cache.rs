//! A cache of compiled filters, in a directory of the state root. Compiling by libseccomp takes longer than the rest of a `create`.
//!
//! A cached filter decides what a container may do. Therefore a file is used only if nobody but the caller and root could have written it, and if it
//! contains the whole key; its name is only a digest.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tsrunc_plan::seccomp::SeccompListener;
use tsrunc_plan::warning::Warning;
use tsrunc_sys::seccomp::Instruction;

use super::Filter;
use crate::trust::distrust;

/// No container id begins with `#`.
const DIRECTORY: &str = "#seccomp";

/// The oldest files are removed when there are more files or bytes. A host has few different profiles.
const MAX_FILES: usize = 64;
const MAX_TOTAL_BYTES: u64 = 1 << 20;
/// Larger filters are not cached. Docker's default profile takes a tenth of this.
const MAX_FILE_BYTES: u64 = 128 << 10;

/// A file consists of this, the digest of everything after it, three lengths, the key, the rest as JSON, and the program. Increase the number when the
/// same profile compiles to a different program.
const MAGIC: &[u8; 8] = b"tsrunc-1";
const HEAD_BYTES: usize = 28;

/// The contents of a file beside key and program.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    flags: u32,
    listener: Option<SeccompListener>,
    warnings: Vec<Warning>,
}

/// The cached filter for a key. None if there is no file, or if anything is wrong with it.
pub fn find(root: &str, key: &[u8]) -> Option<Filter> {
    let directory = rustix::fs::open(format!("{root}/{DIRECTORY}"), DIRECTORY_FLAGS, Mode::empty()).ok()?;
    require_private(&rustix::fs::fstat(&directory).ok()?, FileType::Directory).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, name(key), flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    require_private(&stat, FileType::RegularFile).ok()?;
    if stat.st_nlink != 1 || stat.st_size as u64 > MAX_FILE_BYTES {
        return None;
    }
    decode(MAGIC, &read_whole(&file, &stat)?, key)
}

fn read_whole(file: &OwnedFd, stat: &Stat) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(stat.st_size).ok()?];
    // Files are only replaced, never changed. If one is shorter than its size, `decode` refuses it.
    let count = rustix::io::read(file, &mut bytes).ok()?;
    bytes.truncate(count);
    Some(bytes)
}

/// The file with a container's filter, in its state directory.
const CONTAINER_FILE: &str = "seccomp";
/// Later versions of tsrunc read this file too, so the number changes only with the file's format.
const CONTAINER_MAGIC: &[u8; 8] = b"tsruncf1";

/// Saves a filter in the state directory of a container. It is a copy, because files of the cache may be removed at any time.
///
/// # Errors
/// Those of open(2) and write(2).
pub fn save_for_container(directory: impl AsFd, filter: &Filter) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, CONTAINER_FILE, flags, Mode::RUSR | Mode::WUSR)?;
    crate::files::write_all(&file, &encode(CONTAINER_MAGIC, &[], filter)?)
}

/// The filter that `save_for_container` saved. `directory` must be trusted. None if the file is missing, damaged or not trusted.
pub fn read_of_container(directory: impl AsFd) -> Option<Filter> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, CONTAINER_FILE, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    require_private(&stat, FileType::RegularFile).ok()?;
    decode(CONTAINER_MAGIC, &read_whole(&file, &stat)?, &[])
}

const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Requires this type, and that nobody but the caller and root can have written or can read the file.
fn require_private(stat: &Stat, kind: FileType) -> Result<(), Errno> {
    if FileType::from_raw_mode(stat.st_mode) == kind && distrust(stat).is_none() && stat.st_mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Errno::PERM)
}

/// Adds a filter to the cache atomically: readers see the whole file or none.
///
/// # Errors
/// An error of a system call; a directory that is not trusted.
pub fn insert(root: impl AsFd, key: &[u8], filter: &Filter) -> Result<(), Errno> {
    let bytes = encode(MAGIC, key, filter)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Ok(());
    }
    match rustix::fs::mkdirat(&root, DIRECTORY, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let directory = rustix::fs::openat(&root, DIRECTORY, DIRECTORY_FLAGS, Mode::empty())?;
    require_private(&rustix::fs::fstat(&directory)?, FileType::Directory)?;
    make_room(&directory, bytes.len() as u64)?;
    let name = name(key);
    let draft = format!("{name}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, &*draft, flags, Mode::RUSR | Mode::WUSR)?;
    let written = crate::files::write_all(&file, &bytes).and_then(|()| rustix::fs::renameat(&directory, &*draft, &directory, &*name));
    if written.is_err() {
        // Ignored: the first failure is reported, and `make_room` removes the draft some day.
        if let Err(_second) = rustix::fs::unlinkat(&directory, &*draft, AtFlags::empty()) {}
    }
    written
}

/// Removes the oldest files until there is room for one of `bytes`.
fn make_room(directory: &OwnedFd, bytes: u64) -> Result<(), Errno> {
    let mut files = Vec::new();
    let mut total = bytes;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue; // `.` and `..`
        }
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                total += stat.st_size as u64;
                files.push((stat.st_mtime, stat.st_mtime_nsec, stat.st_size as u64, name.to_owned()));
            }
            Err(Errno::NOENT) => {} // replaced meanwhile
            Err(errno) => return Err(errno),
        }
    }
    files.sort();
    let mut count = files.len() + 1;
    for (_, _, size, name) in files {
        if count <= MAX_FILES && total <= MAX_TOTAL_BYTES {
            break;
        }
        match rustix::fs::unlinkat(directory, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        count -= 1;
        total -= size;
    }
    Ok(())
}

fn name(key: &[u8]) -> String {
    format!("{:016x}", digest(key))
}

/// A digest for file names and for detecting damage. It needs no cryptographic strength, because the key is compared in full. Like FNV-1a, but eight
/// bytes at a time.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        digest = (digest ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
    digest ^ digest >> 32
}

fn encode(magic: &[u8; 8], key: &[u8], filter: &Filter) -> Result<Vec<u8>, Errno> {
    let rest = Rest { flags: filter.flags, listener: filter.listener.clone(), warnings: filter.warnings.clone() };
    let rest = serde_json::to_vec(&rest).map_err(|_| Errno::INVAL)?;
    let program: Vec<u8> = filter.program.iter().flat_map(|instruction| instruction.to_le_bytes()).collect();
    let mut content = Vec::new();
    for part in [key, &rest, &program] {
        content.extend(u32::try_from(part.len()).map_err(|_| Errno::FBIG)?.to_le_bytes());
    }
    for part in [key, &rest, &program] {
        content.extend(part);
    }
    Ok([magic.as_slice(), &digest(&content).to_le_bytes(), &content].concat())
}

/// None unless the file is complete and for this key.
fn decode(magic: &[u8; 8], bytes: &[u8], key: &[u8]) -> Option<Filter> {
    let content = bytes.strip_prefix(magic)?;
    let (expected, content) = content.split_first_chunk()?;
    if u64::from_le_bytes(*expected) != digest(content) {
        return None;
    }
    let length = |at: usize| content.get(at..at + 4)?.try_into().ok().map(|bytes| u32::from_le_bytes(bytes) as usize);
    let (key_bytes, rest_bytes, program_bytes) = (length(0)?, length(4)?, length(8)?);
    if key_bytes.checked_add(rest_bytes)?.checked_add(program_bytes)? != bytes.len() - HEAD_BYTES || program_bytes % size_of::<Instruction>() != 0 {
        return None;
    }
    let (found, content) = content[12..].split_at(key_bytes);
    let (rest, program) = content.split_at(rest_bytes);
    if found != key {
        return None;
    }
    let Rest { flags, listener, warnings } = serde_json::from_slice(rest).ok()?;
    let program = program.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(Instruction::from_le_bytes)).collect();
    Some(Filter { program, flags, listener, warnings })
}
