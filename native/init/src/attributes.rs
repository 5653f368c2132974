//! Mount attributes (mount_setattr(2)).

use std::os::fd::AsFd;

use rustix::fs::{fstatvfs, StatVfsMountFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::operation::{MountAttribute, MountAttributes};
use tsrunc_sys::errno::os_failure;
use tsrunc_sys::namespaces::{mount_setattr, MountSetattr};

/// The atime modes share these bits; setting one requires clearing them all (mount_setattr(2)).
const ATIME_MODES: u64 = 0x70;

/// The access time bits, which mount(2) replaces together: the atime mode and `nodiratime`.
const ATIME: u64 = ATIME_MODES | 0x80;

/// `ro`, `nosuid`, `nodev`, `noexec` and `nosymfollow`.
const RESTRICTIONS: u64 = 0x20_000f;

/// `MOUNT_ATTR_*` bits.
fn bit(attribute: MountAttribute) -> u64 {
    match attribute {
        MountAttribute::Ro => 0x1,
        MountAttribute::Nosuid => 0x2,
        MountAttribute::Nodev => 0x4,
        MountAttribute::Noexec => 0x8,
        MountAttribute::Relatime => 0,
        MountAttribute::Noatime => 0x10,
        MountAttribute::Strictatime => 0x20,
        MountAttribute::Nodiratime => 0x80,
        MountAttribute::Nosymfollow => 0x20_0000,
    }
}

fn is_atime_mode(attribute: MountAttribute) -> bool {
    matches!(attribute, MountAttribute::Relatime | MountAttribute::Noatime | MountAttribute::Strictatime)
}

fn is_atime(attribute: MountAttribute) -> bool {
    is_atime_mode(attribute) || attribute == MountAttribute::Nodiratime
}

/// The bits to set and to clear.
pub fn attribute_bits(attributes: &MountAttributes) -> (u64, u64) {
    let (set, clear) = named_bits(attributes);
    if !attributes.reset {
        return (set, clear);
    }
    let atime = if attributes.set.iter().any(|attribute| is_atime(*attribute)) { ATIME } else { 0 };
    (set, clear | RESTRICTIONS | atime)
}

/// The bits for the attributes in both lists, without those that only `reset` clears.
fn named_bits(MountAttributes { set, clear, reset }: &MountAttributes) -> (u64, u64) {
    // Like mount(2), a reset keeps the access time bits unless one of them is set: `atime` alone changes nothing.
    let keeps_atime = *reset && !set.iter().any(|attribute| is_atime(*attribute));
    let cleared = || clear.iter().copied().filter(|attribute| !keeps_atime || !is_atime(*attribute));
    let modes = if set.iter().copied().chain(cleared()).any(is_atime_mode) { ATIME_MODES } else { 0 };
    (set.iter().fold(0, |bits, attribute| bits | bit(*attribute)), cleared().fold(modes, |bits, attribute| bits | bit(attribute)))
}

/// Changes the attributes of a mount and, with `recursive`, of the mounts below it.
///
/// # Errors
/// `EPERM` for an attribute that `attributes` names but a user namespace locks, because the mount was cloned from one of another user namespace
/// (mount_namespaces(7), "Restrictions on mount namespaces"). A locked attribute that only `reset` would clear is kept without an error.
pub fn set_attributes(mount: impl AsFd, attributes: &MountAttributes, recursive: bool) -> Result<(), Failure> {
    let change = |(set, clear)| match (set, clear) {
        (0, 0) => Ok(()),
        _ => mount_setattr(&mount, MountSetattr { set, clear, recursive, ..MountSetattr::default() }),
    };
    let errno = match change(attribute_bits(attributes)) {
        Err(Errno::PERM) if attributes.reset => change(named_bits(attributes)),
        result => result,
    };
    errno.map_err(|errno| {
        let mut failure = os_failure("set attributes".into(), errno);
        if let (Errno::PERM, Some(name)) = (errno, locked(&mount, attributes, recursive)) {
            failure.cause = format!("{}: the user namespace locks {name:?} of the mount it came from", failure.cause);
        }
        failure
    })
}

/// The name of an attribute in `attributes` that a user namespace locks. Finds it by changing one after another: the mount has failed anyway.
fn locked(mount: impl AsFd, attributes: &MountAttributes, recursive: bool) -> Option<&'static str> {
    const RESTRICTIONS: [(MountAttribute, &str); 5] = [
        (MountAttribute::Ro, "ro"),
        (MountAttribute::Nosuid, "nosuid"),
        (MountAttribute::Nodev, "nodev"),
        (MountAttribute::Noexec, "noexec"),
        (MountAttribute::Nosymfollow, "nosymfollow"),
    ];
    let is_locked = |attribute| mount_setattr(&mount, MountSetattr { clear: bit(attribute), recursive, ..MountSetattr::default() }) == Err(Errno::PERM);
    let cleared = RESTRICTIONS.into_iter().find(|(attribute, _)| attributes.clear.contains(attribute) && is_locked(*attribute));
    cleared.map(|(_, name)| name).or_else(|| locked_atime(&mount, attributes))
}

/// The access time option that the mount has and `attributes` would change.
fn locked_atime(mount: impl AsFd, attributes: &MountAttributes) -> Option<&'static str> {
    // statvfs(3)'s ST_RELATIME; rustix 1.1 has the value of MS_RELATIME here, which differs.
    const RELATIME: StatVfsMountFlags = StatVfsMountFlags::from_bits_retain(4096);
    let now = fstatvfs(mount).ok()?.f_flag;
    let (mode, name) = if now.contains(StatVfsMountFlags::NOATIME) {
        (MountAttribute::Noatime, "noatime")
    } else if now.contains(RELATIME) {
        (MountAttribute::Relatime, "relatime")
    } else {
        (MountAttribute::Strictatime, "strictatime")
    };
    let (set, clear) = (&attributes.set, &attributes.clear);
    if clear.contains(&mode) || set.iter().any(|attribute| is_atime_mode(*attribute) && *attribute != mode) {
        return Some(name);
    }
    match now.contains(StatVfsMountFlags::NODIRATIME) {
        true => clear.contains(&MountAttribute::Nodiratime).then_some("nodiratime"),
        false => set.contains(&MountAttribute::Nodiratime).then_some("diratime"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MountAttribute::{Noatime, Nodev, Nodiratime, Nosuid, Relatime, Ro};

    fn bits(set: &[MountAttribute], clear: &[MountAttribute], reset: bool) -> (u64, u64) {
        attribute_bits(&MountAttributes { set: set.to_vec(), clear: clear.to_vec(), reset })
    }

    #[test]
    fn setting_an_atime_mode_clears_the_others() {
        assert_eq!(bits(&[Noatime, Ro], &[Nosuid], false), (0x11, 0x72));
        assert_eq!(bits(&[], &[Noatime], false), (0, 0x70));
    }

    #[test]
    fn a_reset_clears_restrictions_and_access_times_only_if_one_is_set() {
        assert_eq!(bits(&[Ro], &[], true), (1, RESTRICTIONS));
        assert_eq!(bits(&[], &[Noatime, Nodev, Nodiratime], true), (0, RESTRICTIONS));
        assert_eq!(bits(&[Relatime], &[], true), (0, RESTRICTIONS | ATIME));
        assert_eq!(bits(&[Nodiratime, Nosuid], &[], true), (0x82, RESTRICTIONS | ATIME));
    }

    #[test]
    fn named_bits_leave_out_what_only_a_reset_clears() {
        let named = |set: &[MountAttribute], clear: &[MountAttribute]| named_bits(&MountAttributes { set: set.to_vec(), clear: clear.to_vec(), reset: true });
        assert_eq!(named(&[Ro], &[Nodev, Noatime]), (1, 4));
        assert_eq!(named(&[Noatime], &[Nodiratime]), (0x10, 0xf0));
    }
}
