//! What the claims of a token, or of an introspection answer, must say before anybody believes them.

use crate::{
    error::{Error, Kind},
    proof::{Actor, IdentityParts},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What one issuer's tokens have to look like.
#[derive(Clone, Debug)]
pub(super) struct Demands {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) scopes: Vec<String>,
    pub(super) claims: Vec<(String, Value)>,
    pub(super) typ: Option<String>,
}

/// Between which times claims are honoured, leeway included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Option<SystemTime>,
    pub(super) until: SystemTime,
}

impl Span {
    pub(super) fn check(&self, now: SystemTime) -> Result<(), Error> {
        if now >= self.until {
            return Err(Error::new(Kind::ExpiredToken, "the token has expired"));
        }
        if self.from.is_some_and(|from| now < from) {
            return Err(unacceptable("the token is not valid yet"));
        }
        Ok(())
    }
}

impl Demands {
    /// The `typ` of a token's header (RFC 9068 writes `at+jwt`, others `application/at+jwt`).
    pub(super) fn check_typ(&self, typ: Option<&str>) -> Result<(), Error> {
        let Some(wanted) = &self.typ else { return Ok(()) };
        let short = |typ: &str| {
            let typ = typ.to_ascii_lowercase();
            typ.strip_prefix("application/").unwrap_or(&typ).to_owned()
        };
        match typ {
            Some(typ) if short(typ) == short(wanted) => Ok(()),
            _ => Err(unacceptable("the token is of another type")),
        }
    }

    /// Believes `claims` if they are all that is demanded.
    pub(super) fn check(
        &self,
        claims: Map<String, Value>,
        token: SecretString,
        now: SystemTime,
    ) -> Result<(IdentityParts, Span), Error> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(unacceptable("the token is from another issuer"));
        }
        if !self.audiences.iter().any(|ours| holds(claims.get("aud"), ours)) {
            return Err(unacceptable("the token is for another audience"));
        }
        let subject = match claims.get("sub").and_then(Value::as_str) {
            Some(subject) if !subject.is_empty() => subject.to_owned(),
            _ => return Err(unacceptable("the token names no subject")),
        };
        let expires = time(&claims, "exp")?.ok_or_else(|| unacceptable("the token has no end"))?;
        let not_before = time(&claims, "nbf")?;
        let span = Span {
            from: not_before.map(|from| from.checked_sub(self.leeway).unwrap_or(UNIX_EPOCH)),
            until: expires.checked_add(self.leeway).unwrap_or(expires),
        };
        span.check(now)?;
        if self.claims.iter().any(|(name, wanted)| !satisfies(claims.get(name), wanted)) {
            return Err(unacceptable("the token lacks a claim that is required here"));
        }
        let actors = actors(claims.get("act"))?;
        let scopes = scopes(&claims);
        if self.scopes.iter().any(|wanted| !scopes.contains(wanted)) {
            return Err(Error::new(Kind::InsufficientScope, "the token grants too little")
                .with_scopes(self.scopes.clone()));
        }
        let parts = IdentityParts {
            issuer: self.issuer.clone(),
            subject,
            claims,
            scopes,
            actors,
            token: Some(token),
            expires: Some(expires),
            honoured_until: Some(span.until),
        };
        Ok((parts, span))
    }
}

/// A string, or a list with it.
fn holds(claim: Option<&Value>, wanted: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(many)) => many.iter().any(|one| one == wanted),
        _ => false,
    }
}

/// The very value, or a list with it.
fn satisfies(claim: Option<&Value>, wanted: &Value) -> bool {
    match claim {
        Some(Value::Array(many)) if !wanted.is_array() => many.contains(wanted),
        Some(one) => one == wanted,
        None => false,
    }
}

/// A NumericDate (RFC 7519): seconds since 1970, perhaps with a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, Error> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    value
        .as_f64()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .and_then(|since| UNIX_EPOCH.checked_add(since))
        .map(Some)
        .ok_or_else(|| unacceptable("the token has a time that is none"))
}

/// `scope` as one string of words (RFC 9068), or `scp` as a string or a list (as some issuers write it).
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let words = |value: &Value| match value {
        Value::String(words) => words.split_ascii_whitespace().map(str::to_owned).collect(),
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    claims.get("scope").or_else(|| claims.get("scp")).map(words).unwrap_or_default()
}

pub(super) fn actors(claim: Option<&Value>) -> Result<Vec<Actor>, Error> {
    Actor::chain(claim).map_err(unacceptable)
}

pub(super) fn unacceptable(what: &'static str) -> Error {
    Error::new(Kind::UnacceptableToken, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::Identity;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn demands() -> Demands {
        Demands {
            issuer: "https://i".into(),
            audiences: vec!["https://a".into()],
            leeway: Duration::from_secs(30),
            scopes: vec!["read".into()],
            claims: vec![("tenant".into(), json!("t1"))],
            typ: None,
        }
    }

    fn check(change: &Value) -> Result<Identity, (Kind, String)> {
        let mut claims = json!({
            "iss": "https://i", "aud": ["other", "https://a"], "sub": "alice", "exp": NOW + 60,
            "scope": "read write", "tenant": "t1",
        });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let demands = demands();
        let Value::Object(claims) = claims else { unreachable!() };
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let checked = demands.check(claims, SecretString::from("t"), now);
        checked.map(|(parts, _)| Identity::new(parts)).map_err(|error| (error.kind(), error.to_string()))
    }

    #[test]
    fn believes_what_is_all_right() {
        let identity =
            check(&json!({"act": {"sub": "agent", "act": {"sub": "host", "iss": "https://h"}}})).unwrap();
        assert_eq!((identity.issuer(), identity.subject()), ("https://i", "alice"));
        assert!(identity.has_scope("write") && !identity.has_scope("rea"));
        let actors: Vec<_> = identity.actors().iter().map(|a| (a.subject(), a.issuer())).collect();
        assert_eq!(actors, [("agent", None), ("host", Some("https://h"))]);
        assert!(check(&json!({"scope": null, "scp": ["read"]})).is_ok());
        assert!(check(&json!({"tenant": ["t0", "t1"]})).is_ok());
        assert!(check(&json!({"aud": "https://a", "exp": f64::from(2_000_000_000_u32) + 0.5})).is_ok());
    }

    #[test]
    fn the_type_may_say_application_once() {
        let demands = Demands { typ: Some("at+jwt".into()), ..demands() };
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            demands.check_typ(Some(typ)).unwrap();
        }
        for typ in [None, Some("JWT"), Some("application/application/at+jwt"), Some("text/at+jwt")] {
            demands.check_typ(typ).unwrap_err();
        }
    }

    #[test]
    fn leeway_is_granted_at_both_ends() {
        assert!(check(&json!({"exp": NOW - 29})).is_ok());
        assert_eq!(check(&json!({"exp": NOW - 30})).unwrap_err().0, Kind::ExpiredToken);
        assert!(check(&json!({"nbf": NOW + 30})).is_ok());
        assert_eq!(check(&json!({"nbf": NOW + 31})).unwrap_err().0, Kind::UnacceptableToken);
    }

    #[test]
    fn refuses_what_is_missing_or_strange() {
        let mut deep = json!({"sub": "a"});
        for _ in 0..10 {
            deep = json!({"sub": "a", "act": deep});
        }
        for change in [
            json!({"iss": null}),
            json!({"iss": "https://i/"}),
            json!({"aud": null}),
            json!({"aud": "https://a/"}),
            json!({"aud": []}),
            json!({"aud": {"https://a": true}}),
            json!({"sub": null}),
            json!({"sub": ""}),
            json!({"sub": 7}),
            json!({"exp": null}),
            json!({"exp": "soon"}),
            json!({"exp": -1}),
            json!({"exp": 1e300}),
            json!({"nbf": "yesterday"}),
            json!({"tenant": "t2"}),
            json!({"tenant": null}),
            json!({"act": "agent"}),
            json!({"act": {"iss": "nobody"}}),
            json!({"act": deep}),
        ] {
            assert_eq!(check(&change).unwrap_err().0, Kind::UnacceptableToken, "{change}");
        }
        assert_eq!(check(&json!({"scope": "readwrite"})).unwrap_err().0, Kind::InsufficientScope);
    }
}
