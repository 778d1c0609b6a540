//! Access tokens (RFC 9068): signed, for one resource, and for nobody to keep.

use super::{error::Fault, grant::Grant, keys::Keys, secret};
use countersign::{clock::Clock, identity::LocalKeys};
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Makes access tokens.
#[derive(Clone, Debug)]
pub(super) struct AccessTokens {
    issuer: String,
    keys: Arc<Keys>,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl AccessTokens {
    pub(super) fn new(issuer: &str, keys: Arc<Keys>, lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { issuer: issuer.to_owned(), keys, lifetime, clock }
    }

    pub(super) const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What they are verified with.
    pub(super) fn jwks(&self) -> Value {
        self.keys.jwks()
    }

    /// What this process verifies them with.
    pub(super) fn verifying(&self) -> LocalKeys {
        self.keys.verifying()
    }

    /// A token for what was granted.
    pub(super) fn mint(&self, grant: &Grant) -> Result<String, Fault> {
        self.mint_for(grant, None, self.lifetime)
    }

    /// The same, for somebody who acts for the subject (RFC 8693), and for another time. What upstreams said of a person
    /// never stands in place of what we say.
    pub(super) fn mint_for(
        &self,
        grant: &Grant,
        act: Option<&Value>,
        lifetime: Duration,
    ) -> Result<String, Fault> {
        let now = self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let scopes: Vec<&str> = grant.scopes.iter().map(String::as_str).collect();
        let ours = json!({
            "iss": self.issuer,
            "sub": grant.subject,
            "aud": grant.resource,
            "client_id": grant.client,
            "iat": now,
            "exp": now + lifetime.as_secs(),
            "jti": secret::fresh_id()?,
            "scope": scopes.join(" "),
        });
        let mut claims = grant.claims.clone();
        for name in OURS_ALONE {
            claims.remove(name);
        }
        claims.extend(ours.as_object().cloned().unwrap_or_else(Map::new));
        if !grant.session.is_empty() {
            claims.insert("sid".to_owned(), grant.session.as_str().into());
        }
        claims.extend(act.map(|act| ("act".to_owned(), act.clone())));
        self.keys.sign("at+jwt", &Value::Object(claims))
    }
}

#[cfg(test)]
impl AccessTokens {
    /// Anything at all, signed as an access token would be.
    pub(super) fn sign_as(&self, typ: &str, claims: &Value) -> String {
        self.keys.sign(typ, claims).unwrap()
    }
}

/// What no upstream has a say in, also where we say nothing.
const OURS_ALONE: [&str; 9] = [
    "act",
    "azp",
    "cnf",
    "https://aws.amazon.com/source_identity",
    "https://aws.amazon.com/tags",
    "may_act",
    "nbf",
    "scp",
    "sid",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, access, grant, verified};

    #[tokio::test]
    async fn it_says_who_may_do_what_where_and_for_how_long() {
        let scene = Scene::new();
        let tokens = access(&scene).await;
        let mut grant = grant();
        grant.claims.insert("groups".into(), json!(["admins"]));
        for (name, value) in [
            ("sub", json!("root")),
            ("iss", json!("https://evil.example")),
            ("aud", json!("https://elsewhere.example")),
            ("scope", json!("everything")),
            ("exp", json!(9_999_999_999_u64)),
            ("act", json!({"sub": "root"})),
            ("https://aws.amazon.com/tags", json!({"principal_tags": {"team": ["root"]}})),
        ] {
            grant.claims.insert(name.into(), value);
        }
        let before = scene.hands.unix();
        let (one, other) = (tokens.mint(&grant).unwrap(), tokens.mint(&grant).unwrap());
        let mut claims = verified(&one, &tokens.keys.jwks()).unwrap();
        let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_ne!(Some(&id), verified(&other, &tokens.keys.jwks()).unwrap().get("jti"));
        let now = claims["iat"].as_i64().unwrap();
        assert!((before..=scene.hands.unix()).contains(&now));
        assert_eq!(
            claims,
            json!({
                "iss": "https://mcp.example.com", "sub": "alice", "aud": "https://mcp.example.com/mcp",
                "client_id": "client", "iat": now, "exp": now + 3600, "scope": "mcp:read", "sid": "session",
                "groups": ["admins"],
            })
        );
        assert_eq!(jsonwebtoken::decode_header(&one).unwrap().typ.as_deref(), Some("at+jwt"));
    }
}
