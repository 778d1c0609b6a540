//! Tokens that AWS STS is shown: made for one exchange, under an issuer and with keys of their own, so that none of them
//! is good here and no token of ours is good there.

use super::{
    error::Fault,
    keys::{Algorithm, Keys, Purpose, Schedule},
    secret,
    subject::stable,
};
use crate::store::Store;
use axum::{
    Json, Router,
    http::{HeaderValue, header},
    routing::get,
};
use countersign::{
    Kind,
    clock::Clock,
    sts::{MintOrder, Refusal},
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Makes them. Clones share the keys.
#[derive(Clone, Debug)]
pub(crate) struct WebIdentities(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    algorithm: Algorithm,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// Where their issuer is, below ours.
const PATH: &str = "/aws";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/.well-known/jwks.json";

/// What roles' trust policies compare as the audience.
const AUDIENCE: &str = "sts.amazonaws.com";

/// For one exchange.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// AWS does not say how long it keeps a key set, so a key is known for a day before it signs.
const NOTICE: Duration = Duration::from_secs(24 * 3600);
/// AWS accepts a token for minutes after its end.
const MEMORY: Duration = Duration::from_secs(2 * 3600);

/// For how long others may keep what is published here.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// The tag that says which role was chosen. Trust policies ask for it, so that STS gives no other.
const ROLE: &str = "countersign-role";
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
const MOST_TAGS: usize = 50;

/// What AWS takes as a subject.
const LONGEST_SUBJECT: usize = 255;

impl WebIdentities {
    /// Those of the server at `public_url`, whose keys are in `store` and sign for `turn` each.
    pub(super) async fn open(
        store: &Store,
        public_url: &str,
        algorithm: Algorithm,
        turn: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let schedule = Schedule { turn, notice: NOTICE, memory: MEMORY };
        let keys =
            Keys::open(store.clone(), Purpose::WebIdentity, algorithm, schedule, clock.clone()).await?;
        let issuer = format!("{}{PATH}", public_url.trim_end_matches('/'));
        Ok(Self(Arc::new(Inner { issuer, algorithm, keys, clock })))
    }

    /// The token that `order` asks for.
    ///
    /// # Errors
    ///
    /// Where AWS would refuse what it has to say.
    pub(crate) fn mint(&self, order: &MintOrder) -> Result<SecretString, Refusal> {
        let caller = order.caller();
        let now = self.0.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let id = secret::fresh_id().map_err(|fault| Refusal::new(Kind::StsUnavailable, fault))?;
        let mut claims = json!({
            "iss": self.0.issuer,
            "sub": named(caller.issuer(), caller.subject()),
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME.as_secs(),
            "jti": id,
            TAGS: tags(order.role_arn(), order.tags(), order.transitive_tag_keys())?,
        });
        if let (Some(source), Some(members)) = (order.source_identity(), claims.as_object_mut()) {
            members.insert(SOURCE_IDENTITY.to_owned(), source.into());
        }
        let signed = self.0.keys.sign("JWT", &claims);
        signed.map(SecretString::from).map_err(|fault| Refusal::new(Kind::StsUnavailable, fault))
    }

    /// What AWS reads: who the issuer is, and with which keys it signs.
    pub(super) fn documents(&self) -> Router {
        let (discovery, keys) = (self.clone(), self.clone());
        let kept = [(header::CACHE_CONTROL, KEPT)];
        let described = get({
            let kept = kept.clone();
            async move || (kept, Json(discovery.description()))
        });
        Router::new()
            .route(&format!("{PATH}{DISCOVERY}"), described)
            .route(&format!("{PATH}{JWKS}"), get(async move || (kept, Json(keys.0.keys.jwks()))))
    }

    /// Publishes another key, which signs after its notice. `false` where one is on its way already.
    pub(super) async fn rotate(&self) -> Result<bool, Fault> {
        self.0.keys.rotate().await
    }

    /// Looks after the keys. To be called every few minutes.
    pub(super) async fn tend(&self) -> Result<(), Fault> {
        self.0.keys.tend().await
    }

    fn description(&self) -> Value {
        let issuer = &self.0.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{JWKS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.0.algorithm.name()],
            "claims_supported": ["aud", "exp", "iat", "iss", "jti", "sub", TAGS, SOURCE_IDENTITY],
        })
    }
}

/// Who it is, for trust policies to compare: the issuer that vouches for them, and what that calls them. An issuer has no
/// `#`, so nobody reads like somebody else.
fn named(issuer: &str, subject: &str) -> String {
    let place = issuer.strip_prefix("https://").unwrap_or(issuer);
    let plain = format!("{place}#{subject}");
    if plain.len() <= LONGEST_SUBJECT && plain.bytes().all(|byte| byte.is_ascii_graphic()) {
        return plain;
    }
    // What is too long for AWS, or of letters that it may not compare, has a name without a `#`.
    stable(issuer, subject)
}

/// Each in a list of one, as AWS has it.
fn tags(role: &str, others: &[(String, String)], transitive: &[String]) -> Result<Value, Refusal> {
    let refused = |what: String| Refusal::new(Kind::InvalidStsRequest, what);
    // The last part: a path before it is no part of the name.
    let name = role.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.contains(',') {
        return Err(refused(format!("the name of the role {role} cannot be a tag's value; rename the role")));
    }
    if others.iter().any(|(key, _)| key.eq_ignore_ascii_case(ROLE)) {
        return Err(refused(format!("the tag {ROLE} says which role was chosen; give yours another key")));
    }
    if others.len() + 1 > MOST_TAGS {
        return Err(refused(format!("{} tags beside {ROLE}: a session has at most 50", others.len())));
    }
    let mut principal = Map::new();
    principal.insert(ROLE.to_owned(), json!([name]));
    principal.extend(others.iter().map(|(key, value)| (key.clone(), json!([value]))));
    let mut tags = json!({"principal_tags": principal});
    if let (false, Some(members)) = (transitive.is_empty(), tags.as_object_mut()) {
        members.insert("transitive_tag_keys".to_owned(), json!(transitive));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests;
