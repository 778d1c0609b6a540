//! What a JWT says that came straight from whoever made it: read, not verified.

use super::json;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) struct Jwt {
    #[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "nobody exchanges"))]
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

impl Jwt {
    pub(crate) fn read(token: &SecretString) -> Option<Self> {
        let mut parts = token.expose_secret().split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let decode = |part: &str| json::object(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self { header: decode(header)?, claims: decode(claims)? })
    }

    /// When it ends, where it says so.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        let seconds = self.claims.get("exp").and_then(Value::as_f64)?;
        let since = Duration::try_from_secs_f64(seconds).ok()?;
        UNIX_EPOCH.checked_add(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> SecretString {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(r#"{"typ":"JWT"}"#), part(claims)).into()
    }

    #[test]
    fn a_jwt_is_read_and_nothing_else_is() {
        let jwt = Jwt::read(&token(r#"{"sub": "alice", "exp": 1900000000}"#)).unwrap();
        assert_eq!((&jwt.header["typ"], &jwt.claims["sub"]), (&Value::from("JWT"), &Value::from("alice")));
        assert_eq!(jwt.expires(), Some(UNIX_EPOCH + Duration::from_secs(1_900_000_000)));
        for odd in [r#"{"exp": -1}"#, r#"{"exp": "1"}"#, r#"{"exp": 1e300}"#, "{}"] {
            assert_eq!(Jwt::read(&token(odd)).unwrap().expires(), None, "{odd}");
        }
        for other in
            [token("[]"), token("no json"), "opaque".into(), "e30.e30".into(), "e30.e30.e30.e30".into()]
        {
            assert!(Jwt::read(&other).is_none());
        }
    }
}
