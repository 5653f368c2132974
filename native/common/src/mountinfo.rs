//! The mounts of this process's mount namespace (proc_pid_mountinfo(5)).

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{statx, AtFlags, StatxFlags, CWD};
use rustix::io::Errno;

/// One line of mountinfo.
#[derive(Debug, PartialEq)]
pub struct MountEntry {
    /// statx(2)'s `stx_mnt_id`.
    pub id: u64,
    /// The mount point, relative to the root of this process.
    pub point: Vec<u8>,
    pub fs_type: String,
}

const STATX_MNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x1000);

/// The id of the mount that a path is on (statx(2)).
pub fn id_of(path: &str, flags: AtFlags) -> Result<u64, Errno> {
    Ok(statx(CWD, path, flags, STATX_MNT_ID)?.stx_mnt_id)
}

/// The id of the mount that an open file is on, and its inode number.
pub fn place_of(file: impl AsFd) -> Result<(u64, u64), Errno> {
    statx(file, "", AtFlags::EMPTY_PATH, STATX_MNT_ID | StatxFlags::INO).map(|stat| (stat.stx_mnt_id, stat.stx_ino))
}

/// All mounts; a parent precedes the mounts on it.
pub fn read() -> io::Result<Vec<MountEntry>> {
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?))
}

/// The mounts at or below a path.
pub fn at_or_below<'a>(table: &'a [MountEntry], path: &'a [u8]) -> impl DoubleEndedIterator<Item = &'a MountEntry> {
    table.iter().filter(move |entry| is_at_or_below(&entry.point, path))
}

/// Whether `path` is `directory` or below it; both must be absolute and normalized.
pub fn is_at_or_below(path: &[u8], directory: &[u8]) -> bool {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn parse(table: &[u8]) -> Vec<MountEntry> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point options optional... - type source superoptions`
fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    Some(MountEntry {
        id: std::str::from_utf8(fields.first()?).ok()?.parse().ok()?,
        point: unescape(fields.get(4)?),
        fs_type: String::from_utf8_lossy(fields.get(dash + 1)?).into_owned(),
    })
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"1 0 0:1 / / rw shared:1 - ext4 a rw\n2 1 0:2 / /c/root rw - tmpfs a rw\n3 2 0:3 / /c/root/a\\040b rw shared:2 master:1 - fuse.x a rw\n4 1 0:4 / /c/rootfs rw - proc a rw\n";

    #[test]
    fn reads_id_point_and_type() {
        let table = parse(TABLE);
        assert_eq!(table.len(), 4);
        assert_eq!(table[2], MountEntry { id: 3, point: b"/c/root/a b".to_vec(), fs_type: "fuse.x".into() });
    }

    #[test]
    fn finds_only_mounts_at_or_below_a_path() {
        let table = parse(TABLE);
        let ids = |path: &[u8]| at_or_below(&table, path).map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(b"/c/root"), [2, 3]);
        assert_eq!(ids(b"/"), [1, 2, 3, 4]);
    }

    #[test]
    fn undoes_octal_escapes() {
        assert_eq!(unescape(br"a\040b\134c\9\04"), br"a b\c\9\04");
    }
}
