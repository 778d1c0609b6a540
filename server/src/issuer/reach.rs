//! Which addresses of the internet may be dialled for a document that a stranger named.
//!
//! Whoever names a document chooses where this server connects to, from inside the operator's network. What counts is
//! the address that is dialled, not the name that led there: see [`fetch`](super::fetch).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a fetch may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To addresses that are the same for everybody on the internet.
    #[default]
    Public,
    /// Also to this machine, in plain HTTP: for development and for tests.
    PublicAndLoopback,
}

/// Special ranges of IPv4: what IANA registers as not globally reachable, and addresses that clouds answer from inside.
const SPECIAL_V4: [([u8; 4], u32); 19] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Carrier-grade NAT; one cloud has its metadata there.
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // A cloud's own agent, at a public address that is answered from inside.
    ([168, 63, 129, 16], 32),
    // Link-local, where most clouds have their metadata.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Global unicast. Everything outside is special: mapped and translated IPv4 (`::ffff:0:0/96`, `64:ff9b::/96`,
/// `64:ff9b:1::/48`), unique local, link-local and multicast addresses, and this machine.
const UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is special inside of global unicast.
const SPECIAL_V6: [(Ipv6Addr, u32); 5] = [
    // Protocol assignments: Teredo, benchmarking, overlays.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4, with any IPv4 address inside.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x004f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

impl Reach {
    /// Whether a connection to this very address may be opened.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        (self == Self::PublicAndLoopback && address.is_loopback()) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|(base, length)| is_in_v4(v4, (*base).into(), *length)),
        IpAddr::V6(v6) => {
            is_in_v6(v6, UNICAST_V6) && !SPECIAL_V6.iter().any(|special| is_in_v6(v6, *special))
        }
    }
}

fn is_in_v4(address: Ipv4Addr, base: Ipv4Addr, length: u32) -> bool {
    let mask = u32::MAX.checked_shl(u32::BITS - length).unwrap_or(0);
    address.to_bits() & mask == base.to_bits()
}

fn is_in_v6(address: Ipv6Addr, (base, length): (Ipv6Addr, u32)) -> bool {
    let mask = u128::MAX.checked_shl(u128::BITS - length).unwrap_or(0);
    address.to_bits() & mask == base.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_of_somebodys_network_nothing_is_dialled() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2620:4f:8000::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ffff::1",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(!Reach::Public.allows(parsed), "{address}");
            let loopback = parsed.is_loopback();
            assert_eq!(Reach::PublicAndLoopback.allows(parsed), loopback, "{address}");
        }
    }

    #[test]
    fn what_everybody_reaches_may_be_dialled() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
    }
}
