//! Where a browser may be sent back to.

use axum::http::Uri;
use serde::{Deserialize, Serialize};
use std::{fmt, net::Ipv4Addr};

/// An address that a client registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Redirect {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A site, whose host says who it is.
    Site,
    /// A program on the caller's own machine, on a port that it finds free (RFC 8252).
    Loopback,
    /// A program that the system knows by a scheme.
    Scheme,
}

/// What browsers run or read from this machine in place of going there.
const NEVER: [&str; 12] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "javascript",
    "vbscript",
    "view-source",
    "ws",
];

const LONGEST: usize = 2_048;

impl Redirect {
    /// # Errors
    ///
    /// What is wrong with it, as a clause.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than 2,048 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err("it holds what an address cannot");
        }
        if text.contains('#') {
            return Err("it has a fragment");
        }
        let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
        let scheme = scheme.to_ascii_lowercase();
        let kind = match scheme.as_str() {
            "https" | "http" if rest.starts_with("//") => {
                let (host, port) = host_and_port(text)?;
                match (scheme.as_str(), is_loopback(&host)) {
                    (_, true) if port != Some(0) => Kind::Loopback,
                    ("https", false) => Kind::Site,
                    _ => return Err("http is for programs on the caller's own machine; use https"),
                }
            }
            scheme if NEVER.contains(&scheme) || scheme.starts_with("ws") => {
                return Err("its scheme is none that a browser could be sent back with");
            }
            "https" | "http" => return Err("it names no host"),
            scheme if is_scheme(scheme) && rest.len() > 1 => Kind::Scheme,
            _ => return Err("it is no address"),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Whether a request that says `told` means this one. Letter for letter; of a program on the caller's machine every
    /// port.
    pub(crate) fn is_meant_by(&self, told: &Self) -> bool {
        match (self.kind, told.kind) {
            (Kind::Loopback, Kind::Loopback) => without_port(&self.text) == without_port(&told.text),
            _ => self.text == told.text,
        }
    }

    /// Whether any program on the caller's machine could wait there: then a consent of yesterday says nothing.
    pub(crate) fn is_local(&self) -> bool {
        self.kind != Kind::Site
    }

    /// What a person is shown: the host, or the scheme of a program.
    pub(crate) fn shown(&self) -> String {
        match self.kind {
            Kind::Site | Kind::Loopback => {
                host_and_port(&self.text).map_or_else(|_| self.text.clone(), |(host, _)| host)
            }
            Kind::Scheme => self.text.split(':').next().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The same with these parameters more.
    pub(crate) fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut text = self.text.clone();
        for (name, value) in parameters {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.extend(url::form_urlencoded::byte_serialize(name.as_bytes()));
            text.push('=');
            text.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
        }
        text
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is no address")?;
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it names a user");
    }
    if authority.as_str().ends_with(':') {
        return Err("it has a colon, and no port behind it");
    }
    Ok((authority.host().to_ascii_lowercase(), authority.port_u16()))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Scheme and host, and everything behind the port.
fn without_port(text: &str) -> Option<(String, String)> {
    let uri: Uri = text.parse().ok()?;
    let behind = uri.path_and_query().map_or("/", |path| path.as_str());
    Some((format!("{}://{}", uri.scheme_str()?, uri.host()?.to_ascii_lowercase()), behind.to_owned()))
}

impl TryFrom<String> for Redirect {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text)
    }
}

impl From<Redirect> for String {
    fn from(redirect: Redirect) -> Self {
        redirect.text
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(registered: &str, told: &str) -> bool {
        let parse = |text| Redirect::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        parse(registered).is_meant_by(&parse(told))
    }

    #[test]
    fn sites_are_compared_letter_for_letter() {
        let registered = "https://client.example/callback?a=b";
        assert!(means(registered, registered));
        for told in [
            "https://client.example/callback",
            "https://client.example/callback?a=b&c=d",
            "https://client.example/callback/?a=b",
            "https://client.example:8443/callback?a=b",
            "https://CLIENT.example/callback?a=b",
            "https://client.example.evil.example/callback?a=b",
            "https://client.example/x/../callback?a=b",
            "http://127.0.0.1/callback?a=b",
        ] {
            assert!(!means(registered, told), "{told}");
        }
    }

    #[test]
    fn a_program_on_the_callers_machine_takes_any_port_and_no_other_path() {
        let registered = "http://127.0.0.1:3000/callback";
        for told in ["http://127.0.0.1/callback", "http://127.0.0.1:51004/callback"] {
            assert!(means(registered, told), "{told}");
        }
        for told in [
            "http://127.0.0.1:51004/other",
            "http://127.0.0.1:51004/callback?x=1",
            "http://localhost:3000/callback",
            "http://127.0.0.2:3000/callback",
            "https://127.0.0.1:3000/callback",
        ] {
            assert!(!means(registered, told), "{told}");
        }
        assert!(
            means("http://[::1]/cb", "http://[::1]:9/cb")
                && means("http://localhost/cb", "http://localhost:9/cb")
        );
    }

    #[test]
    fn what_a_browser_would_run_or_send_in_the_clear_is_refused() {
        for address in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://client.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "https://user@client.example/callback",
            "https://client.example@evil.example/",
            "https://client.example/callback#fragment",
            "https://client.example\\@evil.example/",
            "https:///callback",
            "https:callback",
            "//client.example/callback",
            "/callback",
            "com.example.app:",
            "https://client.example/a b",
            "https://client.example/\r\nx: y",
            "http://127.0.0.1:0/callback",
            "wss://client.example/",
            "",
        ] {
            assert!(Redirect::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn programs_are_told_from_sites() {
        for (address, local, shown) in [
            ("https://client.example/callback", false, "client.example"),
            ("http://localhost:3000/callback", true, "localhost"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", true, "cursor"),
            ("com.example.app:/callback", true, "com.example.app"),
        ] {
            let redirect = Redirect::parse(address).unwrap();
            assert_eq!((redirect.is_local(), redirect.shown().as_str()), (local, shown));
        }
    }

    #[test]
    fn parameters_are_added_and_nothing_is_lost() {
        let plain = Redirect::parse("https://client.example/callback").unwrap();
        assert_eq!(
            plain.with(&[("code", "a b&c"), ("state", "x=y")]),
            "https://client.example/callback?code=a+b%26c&state=x%3Dy"
        );
        let with_query = Redirect::parse("https://client.example/callback?a=b").unwrap();
        assert_eq!(
            with_query.with(&[("iss", "https://i")]),
            "https://client.example/callback?a=b&iss=https%3A%2F%2Fi"
        );
    }
}
