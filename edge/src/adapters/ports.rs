//! Who listens at an address of this box, by `/proc`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: it can be listened at.
    Nobody,
    /// A process of this name.
    Process {
        /// As the system names it.
        name: String,
        /// Its number.
        id: u32,
    },
    /// Somebody whom this user may not see.
    Unseen,
    /// It is no address of this box, or it cannot be listened at for this reason.
    Unusable(String),
}

/// Who listens at an address, tried by listening there for a moment.
#[must_use]
pub fn holder(address: SocketAddr) -> Holder {
    match TcpListener::bind(address) {
        Ok(_) => Holder::Nobody,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            process(Path::new("/proc"), address).unwrap_or(Holder::Unseen)
        }
        Err(error) => Holder::Unusable(error.to_string()),
    }
}

fn process(proc: &Path, address: SocketAddr) -> Option<Holder> {
    let tables = ["net/tcp", "net/tcp6"].map(|table| fs::read_to_string(proc.join(table)));
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|text| text.lines().skip(1))
        .filter_map(|line| listening(line, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir(proc).ok()?.filter_map(Result::ok);
    let found = processes.filter_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(process.path().join("fd"))
            .ok()?
            .filter_map(Result::ok);
        let holds = |link: fs::DirEntry| {
            let to = fs::read_link(link.path()).ok();
            to.is_some_and(|to| sockets.iter().any(|socket| Path::new(socket) == to))
        };
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        let name = name.trim().to_owned();
        open.any(holds).then_some(Holder::Process { name, id })
    });
    found.min_by_key(|holder| match holder {
        Holder::Process { id, .. } => *id,
        _ => u32::MAX,
    })
}

/// The inode of a socket that listens at the address, or at all addresses with its port.
fn listening<'a>(line: &'a str, address: SocketAddr) -> Option<&'a str> {
    let fields: Vec<&'a str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let ip = ip_of(ip)?.to_canonical();
    let same = ip.is_unspecified() || ip == address.ip().to_canonical();
    let port = u16::from_str_radix(port, 16).ok()?;
    (*state == LISTEN && same && port == address.port()).then_some(*inode)
}

/// The kernel writes the address's words in the machine's own order.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok();
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?.to_ne_bytes()).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_found_by_name_and_number() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let Holder::Process { name, id } = holder(address) else {
            panic!("{:?}", holder(address));
        };
        assert_eq!(id, std::process::id());
        assert!(!name.is_empty());
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let own = holder(SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(matches!(own, Holder::Process { .. }), "{own:?}");
        drop(listener);
        assert_eq!(holder(address), Holder::Nobody);
        let far = holder("192.0.2.1:8480".parse().unwrap());
        assert!(matches!(far, Holder::Unusable(_)), "{far:?}");
    }
}
