//! Where a request is sent, and under which host.

use crate::error::{Error, Kind};
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use std::net::IpAddr;

/// The address as it is sent, where that differs from how it was written: clients leave a scheme's own port and a
/// user's name out of the host, so neither is part of what is signed.
///
/// # Errors
///
/// Where no signature may be sent to: without a host, or without https unless it is this machine.
#[inline]
pub(super) fn as_sent(uri: &Uri) -> Result<Option<Uri>, Error> {
    let authority = uri.authority().ok_or_else(|| unsignable("the request's address names no host"))?;
    let is_bare = authority.as_str().bytes().fold(true, |bare, byte| bare & (byte != b':') & (byte != b'@'));
    if is_bare && uri.scheme() == Some(&Scheme::HTTPS) {
        return Ok(None);
    }
    let host = authority.host();
    let own_port = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") if is_this_machine(host) => 80,
        _ => return Err(unsignable("a signature is sent over https only, or to this machine")),
    };
    let sent = match authority.port_u16() {
        Some(port) if port != own_port => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    if sent == authority.as_str() {
        return Ok(None);
    }
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(Authority::try_from(sent).map_err(|error| failed().with_source(error))?);
    Uri::from_parts(parts).map(Some).map_err(|error| failed().with_source(error))
}

/// The host of an address that [`as_sent`] let pass.
pub(super) fn host(uri: &Uri) -> &str {
    uri.authority().map_or("", Authority::as_str)
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn failed() -> Error {
    unsignable("the request's address cannot be sent as it is")
}

fn unsignable(what: &'static str) -> Error {
    Error::new(Kind::Unsignable, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        for (address, sent) in [
            ("https://example.com/a?b=c", "https://example.com/a?b=c"),
            ("https://example.com:443/", "https://example.com/"),
            ("https://user:word@example.com:8443/", "https://example.com:8443/"),
            ("https://user@example.com/", "https://example.com/"),
            ("https://example.com:8443/", "https://example.com:8443/"),
            ("http://localhost:80/", "http://localhost/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
        ] {
            let written: Uri = address.parse().unwrap();
            assert_eq!(as_sent(&written).unwrap().unwrap_or(written).to_string(), sent);
        }
        for address in
            ["http://example.com/", "ftp://localhost/", "/relative", "http://127.0.0.1.example.com/"]
        {
            assert_eq!(as_sent(&address.parse().unwrap()).unwrap_err().kind(), Kind::Unsignable, "{address}");
        }
    }
}
