//! Moves network interfaces of the host into a container's network namespace (config-linux.md#network-devices). Runs in the creator, as soon as
//! the namespace exists. Moving an interface removes its addresses, and virtual interfaces are destroyed with their namespace. Therefore the
//! interfaces are moved back, with their addresses, if the container never reaches `created`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::container::NetDevice;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::netlink::{name_value, Address, Link, Route, IFA_FLAGS, IFA_LABEL, IFLA_IFNAME, IFLA_NET_NS_FD};

const IFF_UP: u32 = 1;
const IFA_F_PERMANENT: u32 = 0x80;
/// The flags of an address that are settings, not state: NODAD, OPTIMISTIC, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN.
const IFA_F_SETTINGS: u32 = 0x716;

/// The interfaces that were moved. Dropping it before `keep` moves them back.
pub struct Moved {
    host: Route,
    host_namespace: OwnedFd,
    container: Route,
    devices: Vec<Device>,
    kept: bool,
}

struct Device {
    name: String,
    /// Its index in the container's namespace.
    index: i32,
    was_up: bool,
    addresses: Vec<Address>,
}

/// Moves all interfaces with their permanent global addresses, and brings them up.
///
/// # Errors
/// An interface that is missing or cannot be moved; a name that the container's namespace already has. All are moved back then.
pub fn move_all(devices: &[NetDevice], namespace: OwnedFd) -> Result<Moved, Failure> {
    let during = || "reach the container's network namespace".to_owned();
    let host_namespace = rustix::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let (own, other) = (rustix::fs::fstat(&host_namespace).during(during)?, rustix::fs::fstat(&namespace).during(during)?);
    if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino) {
        return Err(Failure::new(FailureCode::Other, "move network devices (/linux/netDevices)", "the network namespace is the caller's own"));
    }
    let mut moved = Moved {
        host: Route::open().during(during)?,
        host_namespace,
        container: Route::open_in(namespace.as_fd()).during(during)?,
        devices: Vec::new(),
        kept: false,
    };
    for device in devices {
        moved.take(device, &namespace)?;
    }
    Ok(moved)
}

impl Moved {
    /// Leaves the interfaces to the container.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    fn take(&mut self, device: &NetDevice, namespace: &OwnedFd) -> Result<(), Failure> {
        let NetDevice { name, new_name, pointer } = device;
        let during = || format!("move network device {name:?} ({pointer})");
        let name_is_taken = Failure::new(FailureCode::Exists, during(), format!("the container's network namespace has a device {new_name:?}"));
        if !new_name.contains('%') && self.container.find(new_name).is_ok() {
            return Err(name_is_taken);
        }
        let link = self.host.find(name).during(during)?;
        let addresses = self.host.addresses(link.index).during(during)?.into_iter().filter_map(|address| kept_address(address, name)).collect();
        // Moved under a unique temporary name, to find it again: the index may change, and the kernel picks the name for a template (`eth%d`).
        let temporary = format!("ts{:x}-{}", std::process::id(), self.devices.len());
        let target = [(IFLA_NET_NS_FD, namespace.as_raw_fd().to_ne_bytes().to_vec()), (IFLA_IFNAME, name_value(&temporary))];
        match self.host.change(Link { index: link.index, ..Link::default() }, &target) {
            Err(Errno::INVAL) => return Err(Failure::new(FailureCode::Other, during(), "EINVAL (invalid argument): the kernel does not move this device")),
            result => result.during(during)?,
        }
        let index = self.container.find(&temporary).during(during)?.index;
        let device = Device { name: name.clone(), index, was_up: link.flags & IFF_UP != 0, addresses };
        let configured = configure(&self.container, &device, new_name, true);
        self.devices.push(device);
        match configured {
            Err(Errno::EXIST) => Err(name_is_taken),
            result => result.during(during),
        }
    }
}

/// Renames an interface, adds its addresses and, if `up`, brings it up.
fn configure(route: &Route, device: &Device, name: &str, up: bool) -> Result<(), Errno> {
    let link = Link { index: device.index, ..Link::default() };
    route.change(link, &[(IFLA_IFNAME, name_value(name))])?;
    for address in &device.addresses {
        route.add(&Address { index: device.index, ..address.clone() })?;
    }
    if up {
        route.change(Link { flags: IFF_UP, change: IFF_UP, ..link }, &[])?;
    }
    Ok(())
}

/// An address in the form in which it is added again. None unless it is permanent and global.
fn kept_address(mut address: Address, device: &str) -> Option<Address> {
    const RT_SCOPE_UNIVERSE: u8 = 0;
    let flags =
        address.attributes.iter().find(|(kind, _)| *kind == IFA_FLAGS).and_then(|(_, value)| Some(u32::from_ne_bytes(value.as_slice().try_into().ok()?)))?;
    if address.scope != RT_SCOPE_UNIVERSE || flags & IFA_F_PERMANENT == 0 {
        return None;
    }
    // A label that equals the device's name is the default; it must not be kept for a device that gets a new name.
    address.attributes.retain(|(kind, value)| *kind != IFA_FLAGS && !(*kind == IFA_LABEL && *value == name_value(device)));
    address.attributes.push((IFA_FLAGS, (flags & IFA_F_SETTINGS).to_ne_bytes().to_vec()));
    Some(address)
}

impl Drop for Moved {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for mut device in self.devices.drain(..).rev() {
            let target = [(IFLA_NET_NS_FD, self.host_namespace.as_raw_fd().to_ne_bytes().to_vec()), (IFLA_IFNAME, name_value(&device.name))];
            let back = self.container.change(Link { index: device.index, ..Link::default() }, &target).and_then(|()| self.host.find(&device.name));
            // Ignored: the failure that led here is reported. An interface that cannot be moved back shares the fate of the container's namespace.
            let Ok(link) = back else { continue };
            device.index = link.index;
            if let Err(_second) = configure(&self.host, &device, &device.name, device.was_up) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(scope: u8, flags: u32) -> Address {
        let attributes = vec![(1, vec![10, 0, 0, 1]), (IFA_LABEL, name_value("eth0")), (IFA_FLAGS, flags.to_ne_bytes().to_vec())];
        Address { family: 2, prefix_length: 24, scope, index: 3, attributes }
    }

    #[test]
    fn keeps_permanent_global_addresses_without_their_state() {
        let kept = kept_address(address(0, 0x80 | 0x200 | 0x40), "eth0").unwrap();
        assert_eq!(kept.attributes, [(1, vec![10, 0, 0, 1]), (IFA_FLAGS, 0x200u32.to_ne_bytes().to_vec())]);
        assert_eq!(kept_address(address(0, 0x80), "eth0:1").unwrap().attributes.len(), 3);
        assert_eq!(kept_address(address(0, 0), "eth0"), None); // by SLAAC or DHCP
        assert_eq!(kept_address(address(253, 0x80), "eth0"), None); // link-local
    }
}
