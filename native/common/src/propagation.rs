//! Mount propagation (mount_namespaces(7)).

use std::os::fd::AsFd;

use rustix::io::Errno;
use tsrunc_plan::operation::Propagation;
use tsrunc_sys::namespaces::{mount_setattr, MountSetattr};

/// The `MS_*` bit, and whether it applies recursively.
fn propagation_bits(propagation: Propagation) -> (u64, bool) {
    const UNBINDABLE: u64 = 1 << 17;
    const PRIVATE: u64 = 1 << 18;
    const SLAVE: u64 = 1 << 19;
    const SHARED: u64 = 1 << 20;
    match propagation {
        Propagation::Private => (PRIVATE, false),
        Propagation::Rprivate => (PRIVATE, true),
        Propagation::Shared => (SHARED, false),
        Propagation::Rshared => (SHARED, true),
        Propagation::Slave => (SLAVE, false),
        Propagation::Rslave => (SLAVE, true),
        Propagation::Unbindable => (UNBINDABLE, false),
        Propagation::Runbindable => (UNBINDABLE, true),
    }
}

/// Sets the propagation of the mount whose root is `mount`.
pub fn set_propagation(mount: impl AsFd, propagation: Propagation) -> Result<(), Errno> {
    let (propagation, recursive) = propagation_bits(propagation);
    mount_setattr(mount, MountSetattr { propagation, recursive, ..MountSetattr::default() })
}
