//! Where a secret may be sent.

use crate::error::{Error, Kind};
use http::Uri;
use std::net::IpAddr;

/// Whether a secret may go to `uri`: over https, or to this machine.
pub(super) fn check(uri: &Uri) -> Result<(), Error> {
    let unattachable = |what| Err(Error::new(Kind::Unattachable, what));
    match (uri.scheme_str(), uri.host()) {
        (_, None) => unattachable("the request's address names no host"),
        (Some("https"), Some(_)) => Ok(()),
        (Some("http"), Some(host)) if is_this_machine(host) => Ok(()),
        _ => unattachable("a secret is sent over https only, or to this machine"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine() {
        for good in ["https://example.com/", "https://10.0.0.1/", "http://localhost:1/", "http://[::1]:1/"] {
            check(&good.parse().unwrap()).unwrap();
        }
        for bad in ["http://example.com/", "ftp://localhost/", "/path", "http://127.0.0.1.example.com/"] {
            assert_eq!(check(&bad.parse().unwrap()).unwrap_err().kind(), Kind::Unattachable, "{bad}");
        }
    }
}
