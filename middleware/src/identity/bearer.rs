//! The `Authorization` header (RFC 6750, section 2.1). Tokens in the query or in a form are not looked at.

use crate::error::{Error, Kind};
use http::{HeaderMap, header::AUTHORIZATION};

/// AWS STS takes no longer token, and no issuer needs one.
pub(super) const MAX_TOKEN: usize = 20_000;

/// What stands where a request's one bearer token should: within the limit, and not looked at yet.
///
/// Looking at a thousand characters one by one costs as much as remembering them, so a token that is remembered
/// is spared it: it was looked at the first time.
#[derive(Clone, Copy)]
pub(super) struct Presented<'r>(&'r [u8]);

impl<'r> Presented<'r> {
    /// The credentials of a request.
    pub(super) fn by(headers: &'r HeaderMap) -> Result<Self, Error> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Err(no_token());
        };
        if values.next().is_some() {
            return Err(malformed("the request has several authorization headers"));
        }
        let (scheme, token) = match value.as_bytes().iter().position(|byte| *byte == b' ') {
            Some(at) => value.as_bytes().split_at(at),
            None => (value.as_bytes(), &[][..]),
        };
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            // Another scheme is no credential here, as if nothing had been sent.
            return Err(no_token());
        }
        Self::within_limit(token.trim_ascii())
    }

    /// A token that did not come in a header.
    pub(super) fn as_such(token: &'r str) -> Result<Self, Error> {
        Self::within_limit(token.as_bytes())
    }

    fn within_limit(token: &'r [u8]) -> Result<Self, Error> {
        if token.len() > MAX_TOKEN {
            return Err(malformed("the bearer token is too long"));
        }
        Ok(Self(token))
    }

    pub(super) fn bytes(self) -> &'r [u8] {
        self.0
    }

    /// The token, looked at.
    pub(super) fn token(self) -> Result<&'r str, Error> {
        std::str::from_utf8(self.0)
            .ok()
            .filter(|token| is_b64token(token))
            .ok_or_else(|| malformed("the authorization header does not carry exactly one bearer token"))
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

fn no_token() -> Error {
    Error::new(Kind::NoToken, "the request carries no bearer token")
}

fn malformed(what: &'static str) -> Error {
    Error::new(Kind::MalformedCredentials, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn outcome(values: &[&[u8]]) -> Result<String, Kind> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        Presented::by(&headers).and_then(Presented::token).map(str::to_owned).map_err(|error| error.kind())
    }

    #[test]
    fn one_token_whatever_the_case_of_the_scheme() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(
                outcome(&[format!("{scheme} a.b-c_d~e+f/g==").as_bytes()]).unwrap(),
                "a.b-c_d~e+f/g=="
            );
        }
        assert_eq!(outcome(&[b"Bearer   spaced  "]).unwrap(), "spaced");
    }

    #[test]
    fn another_scheme_is_no_token() {
        let cases: &[&[&[u8]]] = &[&[], &[b"Basic YTpi"], &[b""], &[b"Bearerx abc"]];
        for values in cases {
            assert_eq!(outcome(values), Err(Kind::NoToken), "{values:?}");
        }
    }

    #[test]
    fn several_or_unreadable_ones_are_malformed() {
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        let cases: &[&[&[u8]]] = &[
            &[b"Bearer a", b"Bearer b"],
            &[b"Bearer a", b"Basic b"],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer a b"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer \xff"],
            &[b"Bearer =="],
            &[b"Bearer a=b"],
            &[long.as_bytes()],
        ];
        for values in cases {
            assert_eq!(outcome(values), Err(Kind::MalformedCredentials), "{values:?}");
        }
    }
}
