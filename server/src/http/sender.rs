//! Where a request came from, also where proxies stand before this server.

use crate::{config::networks::Network, issuer::Sender};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header::FORWARDED},
    middleware::Next,
    response::Response,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word counts.
#[derive(Clone, Debug)]
pub(super) struct Proxies(Arc<[Network]>);

impl Proxies {
    pub(super) fn new(trusted: Vec<Network>) -> Self {
        Self(trusted.into())
    }

    /// Leaves a [`Sender`] with the request, for whoever counts.
    pub(super) async fn tell(State(proxies): State<Self>, mut request: Request, next: Next) -> Response {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        if let Some(peer) = peer {
            let sender = proxies.sender(peer, request.headers());
            request.extensions_mut().insert(Sender::at(sender));
        }
        next.run(request).await
    }

    /// The nearest address that is no trusted proxy's, as the proxies behind it told.
    ///
    /// A proxy writes one of the two headers, and hands on the other as it came: where both are there and disagree, one is
    /// what somebody made up, and neither counts.
    fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let told = |name, read| self.behind(peer, entries(headers, &name, read));
        match (headers.contains_key(FORWARDED), headers.contains_key(X_FORWARDED_FOR)) {
            (false, false) => peer,
            (true, false) => told(FORWARDED, forwarded_for),
            (false, true) => told(X_FORWARDED_FOR, node),
            (true, true) => {
                let (one, other) = (told(FORWARDED, forwarded_for), told(X_FORWARDED_FOR, node));
                if one == other { one } else { peer }
            }
        }
    }

    /// Follows what was told from the nearest proxy outwards, for as long as those who told it are trusted.
    fn behind(&self, peer: IpAddr, entries: Vec<Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for entry in entries.into_iter().rev() {
            match entry {
                Some(address) if self.trusts(nearest) => nearest = address.to_canonical(),
                Some(_) | None => break,
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// What each proxy added, the nearest one last; `None` for what is no address.
fn entries(headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| match line.to_str() {
            Ok(line) => line.split(',').map(read).collect(),
            Err(_) => vec![None],
        })
        .collect()
}

/// One element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, _) = rest.split_once(']')?;
        return address.parse().ok();
    }
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn sender(peer: &str, told: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|range| Network::parse(range).unwrap());
        let headers: HeaderMap = told
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        Proxies::new(trusted.to_vec()).sender(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn what_a_proxy_tells_counts_up_to_the_first_who_is_none() {
        for (told, from) in [
            (&[][..], "10.0.0.1"),
            (&[("x-forwarded-for", "198.51.100.7")], "198.51.100.7"),
            (&[("x-forwarded-for", "6.6.6.6, 198.51.100.7")], "198.51.100.7"),
            (&[("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.9.9.9")], "198.51.100.7"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.7")], "198.51.100.7"),
            (&[("x-forwarded-for", "198.51.100.7:4711")], "198.51.100.7"),
            (&[("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
            (&[("x-forwarded-for", "::ffff:198.51.100.7")], "198.51.100.7"),
            // All of them are proxies: the farthest.
            (&[("x-forwarded-for", "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
            (&[("forwarded", "for=6.6.6.6, for=198.51.100.7;proto=https;by=10.0.0.1")], "198.51.100.7"),
            (&[("forwarded", "proto=https;For=\"[2001:db8:cafe::17]:4711\"")], "2001:db8:cafe::17"),
            // A quote that is never closed hides nothing of what comes behind it.
            (&[("forwarded", "for=\"x, for=198.51.100.7")], "198.51.100.7"),
            // Whatever is no address ends it.
            (&[("forwarded", "for=198.51.100.7, for=unknown")], "10.0.0.1"),
            (&[("forwarded", "for=198.51.100.7, for=_hidden, for=10.9.9.9")], "10.9.9.9"),
            (&[("x-forwarded-for", "198.51.100.7, ")], "10.0.0.1"),
            (&[("forwarded", "by=198.51.100.7")], "10.0.0.1"),
            // The proxy writes one of them, and the other is made up.
            (&[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "198.51.100.7")], "10.0.0.1"),
            (&[("forwarded", "for=198.51.100.7"), ("x-forwarded-for", "198.51.100.7")], "198.51.100.7"),
        ] {
            assert_eq!(sender("10.0.0.1", told), from, "{told:?}");
        }
    }

    #[test]
    fn nobody_else_says_who_they_are() {
        for peer in ["203.0.113.9", "2001:db8::1"] {
            for header in [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6")] {
                assert_eq!(sender(peer, &[header]), peer);
            }
        }
        assert_eq!(sender("::ffff:10.0.0.1", &[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
    }
}
