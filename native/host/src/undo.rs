//! Undoes what a create did. Every step is safe to repeat, so that a delete that was killed can be run again.

use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::request::Undo;
use tsrunc_sys::errno::During;

use crate::cgroup;

/// Tries every step.
///
/// # Errors
/// The first failure.
pub fn undo(steps: &[Undo]) -> Result<(), Failure> {
    steps.iter().map(step).fold(Ok(()), Result::and)
}

fn step(step: &Undo) -> Result<(), Failure> {
    match step {
        Undo::RemoveCgroup { path } => cgroup::remove(path),
        Undo::RemoveVacatedCgroup { path } => cgroup::remove_vacated(path),
        Undo::RemoveEmptyCgroup { path } => cgroup::remove_empty(path),
        Undo::Unmount { path } => unmount_tree(path),
    }
}

/// Detaches the mounts at and below a path, the latest first. Those that are gone meanwhile are what is wanted.
fn unmount_tree(path: &str) -> Result<(), Failure> {
    let table = std::fs::read("/proc/self/mountinfo").during(|| "read \"/proc/self/mountinfo\"".into())?;
    for point in points_at_or_below(&table, path.as_bytes()).iter().rev() {
        match unmount(point.as_slice(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno).during(|| format!("unmount {:?}", String::from_utf8_lossy(point))),
        }
    }
    Ok(())
}

/// Mount points in mountinfo's order, parents before what is mounted on them (proc_pid_mountinfo(5), field 5).
pub fn points_at_or_below(table: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
    let below = |point: &Vec<u8>| point.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescape).filter(below).collect()
}

/// Space, tab, newline and backslash are written as three octal digits.
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

    #[test]
    fn finds_mounts_at_and_below_a_path_alone() {
        let table =
            b"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /c/root rw - tmpfs a rw\n3 2 0:3 / /c/root/a\\040b rw - tmpfs a rw\n4 1 0:4 / /c/rootfs rw - tmpfs a rw\n";
        assert_eq!(points_at_or_below(table, b"/c/root"), [b"/c/root".to_vec(), b"/c/root/a b".to_vec()]);
    }

    #[test]
    fn undoes_octal_escapes() {
        assert_eq!(unescape(br"a\040b\134c\9\04"), br"a b\c\9\04");
    }

    #[test]
    fn tries_every_step_and_reports_the_first_failure() {
        let temp = crate::testing::TempDir::new();
        let other = crate::testing::TempDir::new();
        let steps = [temp.path(), other.path()].map(|path| Undo::RemoveEmptyCgroup { path: path.to_owned() });
        assert_eq!(undo(&steps).unwrap_err().operation, format!("look at cgroup {:?}", temp.path()));
        undo(&[Undo::Unmount { path: temp.path().to_owned() }]).unwrap();
    }
}
