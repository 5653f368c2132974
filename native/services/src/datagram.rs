//! Sends datagrams to Unix sockets, on which log daemons receive messages.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tsrunc_plan::failure::Failure;
use tsrunc_plan::request::DatagramPart;
use tsrunc_sys::errno::During;

/// A daemon that receives nothing for this long is stuck, and must not hold up a container.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends one datagram. Without parts, only checks that a daemon listens.
pub fn send(path: &str, parts: &[DatagramPart]) -> Result<(), Failure> {
    let during = || format!("send to {path:?}");
    let socket = UnixDatagram::unbound().during(during)?;
    socket.connect(path).during(during)?;
    if parts.is_empty() {
        return Ok(());
    }
    socket.set_write_timeout(Some(SEND_TIMEOUT)).during(during)?;
    socket.send(&bytes(parts)).during(during).map(drop)
}

fn bytes(parts: &[DatagramPart]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for DatagramPart { text, sized } in parts {
        if *sized {
            bytes.extend((text.len() as u64).to_le_bytes());
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn part(text: &str, sized: bool) -> DatagramPart {
        DatagramPart { text: text.into(), sized }
    }

    #[test]
    fn parts_become_one_datagram_and_a_sized_one_follows_its_length() {
        let folder = TempDir::new();
        let path = format!("{}/socket", folder.path());
        let daemon = UnixDatagram::bind(&path).unwrap();
        send(&path, &[]).unwrap();
        send(&path, &[part("MESSAGE\n", false), part("a\nä", true), part("\n", false)]).unwrap();
        let mut received = [0; 64];
        let length = daemon.recv(&mut received).unwrap();
        assert_eq!(&received[..length], b"MESSAGE\n\x04\0\0\0\0\0\0\0a\n\xc3\xa4\n");
        drop(daemon);
        let refused = send(&path, &[]).unwrap_err();
        assert_eq!((refused.operation, refused.cause), (format!("send to {path:?}"), "ECONNREFUSED (connection refused)".into()));
    }
}
