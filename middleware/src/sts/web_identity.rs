//! Which tokens STS would look at.

use super::refusal::Refusal;
use crate::error::Kind;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longer ones are refused by the API itself.
const MAX_LENGTH: usize = 20_000;
/// What AWS verifies; not PS256, not EdDSA.
const ALGORITHMS: [&str; 5] = ["RS256", "RS384", "RS512", "ES256", "ES384"];

/// `token`, if it is one that STS can be shown.
pub(super) fn exchangeable(token: Option<&SecretString>) -> Result<&SecretString, Refusal> {
    let Some(token) = token else {
        return Err(refused("the caller's identity came without a token"));
    };
    let text = token.expose_secret();
    if text.len() > MAX_LENGTH {
        return Err(refused(
            "the token has more than 20,000 characters; have the issuer put fewer claims into it",
        ));
    }
    let mut parts = text.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused("the token is opaque, and STS takes signed JWTs only"));
    };
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    let header = header.and_then(|header| serde_json::from_slice::<Header>(&header).ok());
    let Some(Header { alg }) = header else {
        return Err(refused("the token is opaque, and STS takes signed JWTs only"));
    };
    if !ALGORITHMS.contains(&alg.as_str()) {
        return Err(refused(
            "the token is signed with an algorithm that STS does not know; it knows RS256, RS384, RS512, ES256 and ES384",
        ));
    }
    Ok(token)
}

/// What a token says, unverified: whoever stored it has verified it.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Kind::NotExchangeable, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> SecretString {
        format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header)).into()
    }

    #[test]
    fn only_what_sts_would_look_at_is_sent_there() {
        for alg in ALGORITHMS {
            assert!(exchangeable(Some(&token(&format!(r#"{{"alg":"{alg}"}}"#)))).is_ok(), "{alg}");
        }
        let long = format!("{}.{}.x", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), "e".repeat(20_000));
        for bad in [
            Some(token(r#"{"alg":"EdDSA"}"#)),
            Some(token(r#"{"alg":"PS256"}"#)),
            Some(token(r#"{"alg":"none"}"#)),
            Some(token("no json")),
            Some("opaque".into()),
            Some("a.b".into()),
            Some("a.b.c.d".into()),
            Some(long.into()),
            None,
        ] {
            let refusal = exchangeable(bad.as_ref()).unwrap_err();
            assert_eq!(refusal.kind(), Kind::NotExchangeable);
        }
    }
}
