//! A compact JWS, taken apart.

use super::key::Algorithm;
use crate::fetch::json;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value};

/// A token whose form is right. Nothing about it has been verified.
pub(super) struct Jws<'t> {
    pub(super) algorithm: Option<Algorithm>,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    pub(super) critical: bool,
    pub(super) claims: Map<String, Value>,
    pub(super) message: &'t [u8],
    pub(super) signature: Vec<u8>,
}

/// Of a header, only this is ever looked at: `jku`, `x5u`, `jwk` and `x5c` let the token bring its own key.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

impl<'t> Jws<'t> {
    /// `None` where the token is not three parts of Base64 with JSON in the first two.
    pub(super) fn parse(token: &'t str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        if claims.contains('.') {
            return None;
        }
        let header: Header = json::object(&decode(header)?).ok()?;
        let claims = serde_json::from_slice(&decode(claims)?).ok()?;
        Some(Self {
            algorithm: Algorithm::named(&header.alg),
            kid: header.kid,
            typ: header.typ,
            critical: header.crit,
            claims,
            message: message.as_bytes(),
            signature: decode(signature)?,
        })
    }

    /// Whether a token has the outer form of one: what tells it from an opaque token.
    pub(super) fn looks_like_one(token: &str) -> bool {
        token.split('.').count() == 3 && token.starts_with("ey")
    }

    /// The claimed issuer.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// Whatever its value: even `null` was put there to be understood.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
    }

    #[test]
    fn takes_a_token_apart() {
        let token = token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, r#"{"iss":"i"}"#);
        let jws = Jws::parse(&token).unwrap();
        assert_eq!(jws.algorithm, Some(Algorithm::Es256));
        assert_eq!(
            (jws.kid.as_deref(), jws.typ.as_deref(), jws.issuer()),
            (Some("k"), Some("at+jwt"), Some("i"))
        );
        assert_eq!(jws.signature, b"signature");
        assert!(!jws.critical && Jws::looks_like_one(&token));
    }

    #[test]
    fn sees_what_must_not_be() {
        for crit in [r#"["exp"]"#, "[]", "null"] {
            let token = token(&format!(r#"{{"alg":"EdDSA","crit":{crit}}}"#), "{}");
            assert!(Jws::parse(&token).unwrap().critical, "{crit}");
        }
        for algorithm in ["none", "HS256", "rs256", ""] {
            let token = token(&format!(r#"{{"alg":"{algorithm}"}}"#), "{}");
            assert_eq!(Jws::parse(&token).unwrap().algorithm, None, "{algorithm}");
        }
    }

    #[test]
    fn anything_else_is_no_token() {
        for text in ["", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "...."] {
            assert!(Jws::parse(text).is_none(), "{text}");
        }
        assert!(Jws::parse(&token("[]", "{}")).is_none());
        assert!(Jws::parse(&token(r#"{"alg":"RS256","alg":"none"}"#, "{}")).is_none());
        assert!(Jws::parse(&token(r#"{"alg":"RS256"}"#, "[]")).is_none());
        assert!(Jws::parse(&token(r#"["RS256", "k", "at+jwt"]"#, "{}")).is_none());
    }
}
