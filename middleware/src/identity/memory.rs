//! Tokens that were verified before.

use super::{claims::Span, key::Key};
use crate::{error::Error, proof::Identity};
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

/// A token's SHA-256: what the memory finds it by.
pub(super) type Fingerprint = [u8; 32];

/// Verified tokens, bounded by the bytes they take.
pub(super) struct Memory {
    tokens: Cache<Fingerprint, Arc<Remembered>>,
}

struct Remembered {
    identity: Identity,
    span: Span,
    /// What the token stands and falls with. `None` where the issuer itself was asked.
    key: Option<Weak<Key>>,
    weight: u32,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let tokens =
            Cache::builder().max_capacity(bytes).weigher(|_, token: &Arc<Remembered>| token.weight).build();
        Self { tokens }
    }

    pub(super) fn fingerprint(token: &[u8]) -> Fingerprint {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, token).as_ref());
        fingerprint
    }

    /// What was found out about a token, if it still holds. Whether the keys of a signer are worth standing on
    /// is asked before that: without it, nobody would notice that one was withdrawn while all tokens are known.
    pub(super) fn recall(
        &self,
        token: &Fingerprint,
        now: SystemTime,
        keys_are_fresh: impl FnOnce(&Identity) -> bool,
    ) -> Option<Result<Identity, Error>> {
        let remembered = self.tokens.get(token)?;
        if let Some(key) = &remembered.key {
            if !keys_are_fresh(&remembered.identity) {
                return None;
            }
            if key.strong_count() == 0 {
                self.tokens.invalidate(token);
                return None;
            }
        }
        if let Err(over) = remembered.span.check(now) {
            self.tokens.invalidate(token);
            // What an issuer was asked about is asked again; what a signature said stays said.
            return remembered.key.is_some().then_some(Err(over));
        }
        Some(Ok(remembered.identity.clone()))
    }

    pub(super) fn remember(
        &self,
        token: Fingerprint,
        identity: Identity,
        span: Span,
        key: Option<&Arc<Key>>,
    ) {
        let key = key.map(Arc::downgrade);
        let weight = weight(&identity);
        self.tokens.insert(token, Arc::new(Remembered { identity, span, key, weight }));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.tokens.entry_count()).finish_non_exhaustive()
    }
}

/// What an identity costs to remember: its token, its claims as a tree, and the entry around them. Claims decide it:
/// a long list of short lists takes many times its text. Measured by `cargo bench --bench verify`, rounded up.
fn weight(identity: &Identity) -> u32 {
    let token = identity.token().map_or(0, |token| token.expose_secret().len());
    let scopes: usize = identity.scopes().iter().map(|scope| 48 + scope.len()).sum();
    let actors: usize = identity.actors().iter().map(|actor| 96 + actor.subject().len()).sum();
    let claims = members(identity.claims());
    u32::try_from(ENTRY + token + scopes + actors + claims).unwrap_or(u32::MAX)
}

/// The entry, the identity's own fields, and what the allocator and the memory keep about them.
const ENTRY: usize = 1024;
/// A value where it stands, and what the allocator adds to what it points at.
const VALUE: usize = 56;
/// A member of an object costs its share of a half-empty tree node as well.
const MEMBER: usize = 96;

fn members(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, value)| MEMBER + name.len() + tree(value)).sum()
}

fn tree(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            // A list grows by doubling, from four.
            Value::Array(list) => 4 * VALUE + 2 * list.iter().map(tree).sum::<usize>(),
            Value::Object(object) => 512 + members(object),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::IdentityParts;
    use serde_json::json;

    fn weigh(claims: &Value) -> u32 {
        weight(&Identity::new(IdentityParts {
            issuer: "https://i".into(),
            subject: "alice".into(),
            claims: claims.as_object().unwrap().clone(),
            scopes: Vec::new(),
            actors: Vec::new(),
            token: None,
            expires: None,
            honoured_until: None,
        }))
    }

    #[test]
    fn small_values_in_great_number_are_heavy() {
        let text = weigh(&json!({"note": "x".repeat(4000)}));
        let lists = weigh(&json!({"note": vec![json!([1]); 1000]}));
        assert!(text < 6_000 && lists > 300_000, "{text} {lists}");
    }
}
