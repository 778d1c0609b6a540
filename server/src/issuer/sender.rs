//! Where a request came from, where that is counted.

use std::net::{IpAddr, Ipv6Addr};

/// Who sent a request, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender(IpAddr);

impl Sender {
    pub(crate) fn at(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// As whom they are counted. In IPv6, everybody has a whole network to choose from.
    pub(super) fn counted(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
        }
    }

    /// Whether it is this machine: somebody on it, or a proxy on it that nobody named, and so anybody.
    pub(super) fn is_this_machine(self) -> bool {
        self.0.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        for (address, counted, here) in [
            ("198.51.100.7", "198.51.100.7", false),
            ("::ffff:198.51.100.7", "198.51.100.7", false),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "::", true),
        ] {
            let sender = Sender::at(address.parse().unwrap());
            assert_eq!((sender.counted().as_str(), sender.is_this_machine()), (counted, here));
        }
    }
}
