//! The messages of rtnetlink(7) that are needed to move a network interface. All numbers are native-endian, every part is padded to four bytes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{connect, recv, send, socket_with, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tsrunc_plan::container::Namespace;
use tsrunc_sys::namespaces;

/// Message types (linux/rtnetlink.h).
pub const RTM_NEWLINK: u16 = 16;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_GETADDR: u16 = 22;

/// Attributes of a link (linux/if_link.h) and of an address (linux/if_addr.h).
pub const IFLA_IFNAME: u16 = 3;
pub const IFLA_NET_NS_FD: u16 = 28;
pub const IFA_LABEL: u16 = 3;
pub const IFA_FLAGS: u16 = 8;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const HEADER_BYTES: usize = 16;
/// The most that the kernel sends at once (NLMSG_GOODSIZE, and up to 32 KiB for a dump).
const RECEIVE_BYTES: usize = 32 * 1024;

/// `struct ifinfomsg`: an interface and its flags.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Link {
    pub index: i32,
    pub flags: u32,
    /// The flags to change.
    pub change: u32,
}

impl Link {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; 4]; // family and type
        bytes.extend(self.index.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(self.change.to_ne_bytes());
        bytes
    }
}

/// `struct ifaddrmsg` with its attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    pub family: u8,
    pub prefix_length: u8,
    pub scope: u8,
    pub index: i32,
    pub attributes: Vec<(u16, Vec<u8>)>,
}

/// A request under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4]; // the length, filled in at the end
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]); // sequence and port; not needed with one request at a time
        bytes.extend(fixed);
        Message(bytes)
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(padded(self.0.len()), 0);
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

fn padded(length: usize) -> usize {
    (length + 3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The attributes after a fixed part.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let Some(value) = bytes.get(4..length as usize) else { break };
        found.push((kind, value.to_vec()));
        bytes = bytes.get(padded(length as usize)..).unwrap_or_default();
    }
    found
}

/// A NUL-terminated name.
pub fn name_value(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// An rtnetlink socket of one network namespace.
pub struct Route(OwnedFd);

impl Route {
    /// Opens a socket in the caller's network namespace (NETLINK_ROUTE is protocol 0).
    pub fn open() -> Result<Route, Errno> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        // Connected to the kernel, so that it receives nothing else: with CAP_NET_ADMIN a process in the namespace could forge answers.
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Route(socket))
    }

    /// Opens a socket in another network namespace, which this thread enters temporarily.
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Route, Errno> {
        let own = rustix::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        namespaces::join(namespace, Namespace::Network)?;
        let socket = Route::open();
        namespaces::join(own.as_fd(), Namespace::Network)?;
        socket
    }

    /// Index and flags of an interface. `ENODEV` if there is none of that name.
    pub fn find(&self, name: &str) -> Result<Link, Errno> {
        let message = Message::new(RTM_GETLINK, 0, &Link::default().to_bytes()).attribute(IFLA_IFNAME, &name_value(name));
        let answers = self.exchange(message, RTM_NEWLINK)?;
        let body = answers.first().ok_or(Errno::NODEV)?;
        let (Some(index), Some(flags)) = (i32_at(body, 4), i32_at(body, 8)) else { return Err(Errno::BADMSG) };
        Ok(Link { index, flags: flags as u32, change: 0 })
    }

    /// Changes an interface: flags, name, namespace.
    pub fn change(&self, link: Link, attributes: &[(u16, Vec<u8>)]) -> Result<(), Errno> {
        self.command(Message::new(RTM_NEWLINK, NLM_F_ACK, &link.to_bytes()), attributes)
    }

    /// The addresses of an interface.
    pub fn addresses(&self, index: i32) -> Result<Vec<Address>, Errno> {
        let answers = self.exchange(Message::new(RTM_GETADDR, NLM_F_DUMP, &[0; 8]), RTM_NEWADDR)?;
        let parse = |body: &Vec<u8>| -> Option<Address> {
            let [family, prefix_length, _flags, scope] = *body.first_chunk()?;
            Some(Address { family, prefix_length, scope, index: i32_at(body, 4)?, attributes: attributes(body.get(8..)?) })
        };
        Ok(answers.iter().filter_map(parse).filter(|address| address.index == index).collect())
    }

    /// Adds an address. `EEXIST` if the interface has it already.
    pub fn add(&self, address: &Address) -> Result<(), Errno> {
        let mut fixed = vec![address.family, address.prefix_length, 0, address.scope];
        fixed.extend(address.index.to_ne_bytes());
        self.command(Message::new(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &fixed), &address.attributes)
    }

    fn command(&self, message: Message, attributes: &[(u16, Vec<u8>)]) -> Result<(), Errno> {
        let message = attributes.iter().fold(message, |message, (kind, value)| message.attribute(*kind, value));
        self.exchange(message, NLMSG_ERROR).map(drop)
    }

    /// Sends a request and returns the bodies of the answers of type `wanted`: a single one, or all of a dump.
    fn exchange(&self, message: Message, wanted: u16) -> Result<Vec<Vec<u8>>, Errno> {
        send(&self.0, &message.bytes(), SendFlags::empty())?;
        let mut bodies = Vec::new();
        let mut buffer = vec![0; RECEIVE_BYTES];
        loop {
            let (count, _) = recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty())?;
            let mut rest = &buffer[..count];
            while let (Some(length), Some(kind), Some(flags)) = (i32_at(rest, 0), u16_at(rest, 4), u16_at(rest, 6)) {
                let body = rest.get(HEADER_BYTES..length as usize).ok_or(Errno::BADMSG)?;
                match kind {
                    NLMSG_DONE => return Ok(bodies),
                    NLMSG_ERROR => match i32_at(body, 0) {
                        Some(0) => return Ok(bodies),
                        Some(error) => return Err(Errno::from_raw_os_error(-error)),
                        None => return Err(Errno::BADMSG),
                    },
                    _ if kind == wanted => bodies.push(body.to_vec()),
                    _ => {}
                }
                const NLM_F_MULTI: u16 = 2;
                if flags & NLM_F_MULTI == 0 {
                    return Ok(bodies);
                }
                rest = rest.get(padded(length as usize)..).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_and_padded_attributes() {
        let bytes =
            Message::new(RTM_NEWLINK, NLM_F_ACK, &Link { index: 7, flags: 1, change: 1 }.to_bytes()).attribute(IFLA_IFNAME, &name_value("eth0")).bytes();
        assert_eq!(bytes.len(), 16 + 16 + 12);
        assert_eq!((i32_at(&bytes, 0), u16_at(&bytes, 4), u16_at(&bytes, 6)), (Some(44), Some(16), Some(5)));
        assert_eq!(i32_at(&bytes, 20), Some(7));
        assert_eq!(attributes(&bytes[32..]), [(IFLA_IFNAME, b"eth0\0".to_vec())]);
    }

    #[test]
    fn cut_attributes_are_not_read_past_their_end() {
        assert_eq!(attributes(&[12, 0, 3, 0, 1]), []);
        assert_eq!(attributes(&[]), []);
        assert_eq!(attributes(&[4, 0, 3, 0, 9]), [(3, vec![])]);
    }

    #[test]
    fn the_loopback_interface_is_found_by_name_with_its_addresses() {
        let route = Route::open().unwrap();
        let loopback = route.find("lo").unwrap();
        assert!(loopback.index > 0);
        assert_eq!(route.find("no-such-device").unwrap_err(), Errno::NODEV);
        assert!(route.addresses(loopback.index).unwrap().iter().all(|address| address.index == loopback.index));
    }

    #[test]
    fn accepts_messages_only_from_the_kernel() {
        use rustix::net::{getsockname, sendto};
        let route = Route::open().unwrap();
        let address = SocketAddrNetlink::try_from(getsockname(&route.0).unwrap()).unwrap();
        let forger = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).unwrap();
        let forged = Message::new(NLMSG_DONE, 0, &[0; 4]).bytes();
        assert_eq!(sendto(&forger, &forged, SendFlags::empty(), &address), Err(Errno::CONNREFUSED));
    }
}
