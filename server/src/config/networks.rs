//! Ranges of addresses.

use super::diagnostic::Findings;
use serde_saphyr::Spanned;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Every address that begins with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// The first one.
    first: IpAddr,
    bits: u32,
}

impl Network {
    /// The addresses of one range: `10.0.0.0/8`, or a single one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what might have been meant.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let no_range = || {
            let remedy = "write it as in 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7";
            (format!("`{text}` is no range of addresses"), remedy.to_owned())
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| no_range())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            Some(bits) if digits(bits) => bits.parse().map_err(|_| no_range())?,
            Some(_) => return Err(no_range()),
            None => most,
        };
        if bits > most {
            let what = format!("`{text}` has more bits than an address, which has {most}");
            return Err((what, format!("write `{address}` for that one address")));
        }
        let range = Self { first: first_of(address, bits), bits };
        if range.first != address {
            let what = format!("`{text}` is one address and a range at once");
            return Err((what, format!("write `{range}` for the range, or `{address}` for the address")));
        }
        Ok(range)
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first_of(address, self.bits) == self.first
    }
}

/// Those whose word counts on where a request came from.
pub(super) fn resolve_trusted_proxies(
    raw: Option<Vec<Spanned<String>>>,
    findings: &mut Findings,
) -> Option<Vec<Network>> {
    let raw = raw.unwrap_or_default();
    let count = raw.len();
    let mut networks = Vec::new();
    for Spanned { value: text, referenced, .. } in raw {
        match Network::parse(&text) {
            Ok(network) if network.bits == 0 => {
                let what = format!("`{text}` is everybody, who could all say that they are somebody else");
                findings.error(referenced, what, "name the proxies that stand before this server");
            }
            Ok(network) => networks.push(network),
            Err((what, remedy)) => findings.error(referenced, what, remedy),
        }
    }
    (networks.len() == count).then_some(networks)
}

/// The first address that has the same `bits`.
fn first_of(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            // An IPv4 address by which IPv6 sockets see it.
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("fc00::/7", "fd12::1", "10.0.0.1"),
        ] {
            let network = Network::parse(range).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_none_is_told_with_what_may_have_been_meant() {
        for (text, hint) in [
            ("10.0.0.0/33", "write `10.0.0.0`"),
            ("10.1.2.3/8", "write `10.0.0.0/8` for the range, or `10.1.2.3`"),
            ("2001:db8::1/64", "write `2001:db8::/64`"),
            ("10.0.0.0/", "write it as in"),
            ("10.0.0.0/+8", "write it as in"),
            ("10.0.0.0/4294967304", "write it as in"),
            ("10.0.0/8", "write it as in"),
            ("proxy.internal", "write it as in"),
            ("", "write it as in"),
        ] {
            let (_, remedy) = Network::parse(text).unwrap_err();
            assert!(remedy.starts_with(hint), "{text}: {remedy}");
        }
    }
}
