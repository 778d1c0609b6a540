//! Client ids that are addresses: where a client's own description is (Client ID Metadata Documents).

use super::super::{
    error::{Code, Refusal},
    reach::Reach,
};
use std::{net::IpAddr, sync::Arc};
use url::{Host, Url};

/// An address that a client is known by, letter for letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::issuer) struct Address(Arc<str>);

const LONGEST: usize = 1_024;

impl Address {
    /// Whether an id claims to be one. Ids that are made here never do.
    pub(super) fn is_claimed_by(id: &str) -> bool {
        let scheme = id.split(':').next().unwrap_or_default();
        id.len() > scheme.len() && ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    }

    /// # Errors
    ///
    /// What the client's developer has to change.
    pub(super) fn parse(text: &str, reach: Reach) -> Result<Self, Refusal> {
        let wrong = |what: &str| Err(refused(&format!("the client's id is an address, and {what}")));
        if text.len() > LONGEST {
            return wrong("it is longer than 1,024 bytes");
        }
        let Ok(url) = Url::parse(text) else { return wrong("it is none that can be read") };
        let local = reach == Reach::PublicAndLoopback && is_loopback(&url);
        if url.scheme() != "https" && !local {
            return wrong("it has to begin with https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("it names a user");
        }
        if url.fragment().is_some() {
            return wrong("it has a fragment");
        }
        // What is compared letter for letter has to be what is fetched: no `..`, no other spelling of a host.
        if url.as_str() != text {
            return wrong(
                "it has another spelling, without dot segments and with a host in lower case; use that",
            );
        }
        if url.path() == "/" {
            return wrong("it has no path");
        }
        if !matches!(url.host(), Some(Host::Domain(_))) && !local {
            return wrong("its host has to be a name");
        }
        Ok(Self(text.into()))
    }

    pub(in crate::issuer) fn as_str(&self) -> &str {
        &self.0
    }

    /// For counting: whoever answers there.
    pub(super) fn host(&self) -> String {
        let url = Url::parse(&self.0).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn refused(what: &str) -> Refusal {
    Refusal::new(Code::InvalidClient, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_is_compared_letter_for_letter() {
        for good in [
            "https://client.example/oauth/metadata.json",
            "https://client.example:8443/client",
            "https://client.example/client?v=1",
            "https://xn--bcher-kva.example/client",
            "https://client.example/a/b/",
        ] {
            assert_eq!(Address::parse(good, Reach::Public).unwrap().as_str(), good);
        }
        assert_eq!(
            Address::parse("https://client.example:8443/c", Reach::Public).unwrap().host(),
            "client.example"
        );
    }

    #[test]
    fn tricks_are_none() {
        for bad in [
            "http://client.example/client",
            "https://client.example",
            "https://client.example/",
            "https://client.example/?client",
            "https://client.example/client#fragment",
            "https://client.example/client#",
            "https://user@client.example/client",
            "https://user:word@client.example/client",
            "https://@client.example/client",
            "https://client.example/a/../client",
            "https://client.example/./client",
            "https://client.example/%2e%2e/client",
            "https://client.example/a/%2E./client",
            "https://CLIENT.example/client",
            "HTTPS://client.example/client",
            "https://client.example:443/client",
            "https:client.example/client",
            "https:///client.example/client",
            "https://client.example\\@evil.example/client",
            "https://client.example/cl\tient",
            " https://client.example/client",
            "https://client.example/client ",
            "https://bücher.example/client",
            "https://127.0.0.1/client",
            "https://0x7f.1/client",
            "https://2130706433/client",
            "https://[::1]/client",
            "https://[::ffff:127.0.0.1]/client",
            "https://169.254.169.254/latest/meta-data",
            "https://1.1.1.1/client",
            "http://127.0.0.1:9/client",
            "http://localhost/client",
            "https://",
            "https:",
        ] {
            assert!(Address::is_claimed_by(bad.trim()), "{bad}");
            let refusal = Address::parse(bad, Reach::Public).unwrap_err();
            assert_eq!(refusal.code(), Code::InvalidClient, "{bad}");
        }
        let long = format!("https://client.example/{}", "x".repeat(LONGEST));
        assert!(Address::parse(&long, Reach::Public).is_err());
    }

    #[test]
    fn this_machine_counts_only_where_that_is_allowed() {
        for local in ["http://127.0.0.1:9/client", "http://localhost:9/client", "https://[::1]:9/client"] {
            assert!(Address::parse(local, Reach::Public).is_err(), "{local}");
            assert!(Address::parse(local, Reach::PublicAndLoopback).is_ok(), "{local}");
        }
        for not in ["http://10.0.0.1/client", "https://10.0.0.1/client", "http://client.example/client"] {
            assert!(Address::parse(not, Reach::PublicAndLoopback).is_err(), "{not}");
        }
    }

    #[test]
    fn other_ids_are_no_addresses() {
        for id in ["client", "", "httpsclient", "nm1yVWj9mXkGGKL0VwMIRg", "urn:client"] {
            assert!(!Address::is_claimed_by(id), "{id}");
        }
    }
}
