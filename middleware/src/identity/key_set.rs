//! The keys of one issuer at one time.

use super::{
    key::{Algorithm, Key, Unusable},
    problem::ConfigError,
};
use crate::fetch::json;
use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// More keys than any issuer publishes.
const MAX_KEYS: usize = 64;

/// Verification keys, ready to be chosen from.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
}

/// Which key a token's header points at.
pub(super) enum Choice<'a> {
    One(&'a Arc<Key>),
    /// No key fits: perhaps the set is out of date.
    Unknown,
    /// Without a `kid`, several do.
    Ambiguous,
}

/// Keys that are at hand, without anything to fetch: an issuer in the same process, or a fixed key set.
///
/// Clones share the keys, so that whoever rotates them keeps one clone and the verifier has the other.
///
/// ```
/// use countersign::identity::LocalKeys;
///
/// let keys = LocalKeys::parse(r#"{"keys": []}"#)?;
/// let shared = keys.clone();
/// shared.replace(r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#)?;
/// # Ok::<(), countersign::identity::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalKeys {
    set: Arc<ArcSwap<KeySet>>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWKS document. A key that stood in `previous` already stays the very same key, so that what hangs
    /// on it lives on; members that cannot verify anything here are left out.
    pub(super) fn parse(document: &[u8], previous: &Self) -> Result<Self, String> {
        let Document { keys: members } =
            json::object(document).map_err(|error| format!("it is not a JWKS document: {error}"))?;
        if members.len() > MAX_KEYS {
            return Err(format!("it holds {} keys, more than {MAX_KEYS}", members.len()));
        }
        let mut keys: Vec<Arc<Key>> = Vec::with_capacity(members.len());
        for jwk in &members {
            let known = previous.keys.iter().find(|key| key.is_same(jwk)).cloned();
            match known.map_or_else(|| Key::parse(jwk).map(Arc::new), Ok) {
                Ok(key) => keys.push(key),
                Err(Unusable::Private) => {
                    return Err("it holds a private key; give it the public half only".to_owned());
                }
                Err(reason) => tracing::debug!(?reason, "a member of the key set is left out"),
            }
        }
        Ok(Self { keys })
    }

    pub(super) fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Choice<'_> {
        let mut fitting =
            self.keys.iter().filter(|key| key.is_for(algorithm) && (kid.is_none() || key.kid() == kid));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Choice::One(key),
            (None, _) => Choice::Unknown,
            (Some(_), Some(_)) => Choice::Ambiguous,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl LocalKeys {
    /// From a JWKS document.
    ///
    /// # Errors
    ///
    /// When the document is not a key set, or too large for one.
    pub fn parse(jwks: &str) -> Result<Self, ConfigError> {
        let set =
            KeySet::parse(jwks.as_bytes(), &KeySet::default()).map_err(|problem| unreadable(&problem))?;
        Ok(Self { set: Arc::new(ArcSwap::from_pointee(set)) })
    }

    /// Other keys from now on. Tokens that were verified with a key that is gone are verified anew.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse); the keys then stay as they were.
    pub fn replace(&self, jwks: &str) -> Result<(), ConfigError> {
        let set = KeySet::parse(jwks.as_bytes(), &self.set.load()).map_err(|problem| unreadable(&problem))?;
        self.set.store(Arc::new(set));
        Ok(())
    }

    pub(super) fn current(&self) -> arc_swap::Guard<Arc<KeySet>> {
        self.set.load()
    }
}

fn unreadable(problem: &str) -> ConfigError {
    ConfigError::one(format!("the local key set cannot be used: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jwk(kid: Option<&str>) -> Value {
        let mut jwk =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        if let Some(kid) = kid {
            jwk.as_object_mut().unwrap().insert("kid".into(), json!(kid));
        }
        jwk
    }

    fn set(keys: &[Value]) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), &KeySet::default()).unwrap()
    }

    #[test]
    fn without_a_kid_exactly_one_key_must_fit() {
        let one = set(&[jwk(Some("a"))]);
        assert!(matches!(one.choose(None, Algorithm::EdDsa), Choice::One(_)));
        let two = set(&[jwk(Some("a")), jwk(Some("b"))]);
        assert!(matches!(two.choose(None, Algorithm::EdDsa), Choice::Ambiguous));
        assert!(matches!(two.choose(Some("b"), Algorithm::EdDsa), Choice::One(_)));
        assert!(matches!(two.choose(Some("c"), Algorithm::EdDsa), Choice::Unknown));
        assert!(matches!(two.choose(Some("b"), Algorithm::Rs256), Choice::Unknown));
        assert!(matches!(set(&[jwk(None)]).choose(Some("a"), Algorithm::EdDsa), Choice::Unknown));
    }

    #[test]
    fn a_key_that_stays_is_the_very_same_key() {
        let before = set(&[jwk(Some("a")), jwk(Some("b"))]);
        let after =
            KeySet::parse(json!({"keys": [jwk(Some("b")), jwk(Some("c"))]}).to_string().as_bytes(), &before)
                .unwrap();
        assert!(Arc::ptr_eq(&before.keys[1], &after.keys[0]));
        assert!(!Arc::ptr_eq(&before.keys[0], &after.keys[1]));
    }

    #[test]
    fn a_list_is_no_key_set() {
        let document = json!([[jwk(None)]]).to_string();
        KeySet::parse(document.as_bytes(), &KeySet::default()).unwrap_err();
    }

    #[test]
    fn a_private_key_is_not_taken_and_none_is_printed() {
        let mut private = jwk(Some("a"));
        private
            .as_object_mut()
            .unwrap()
            .insert("d".into(), json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
        let document = json!({"keys": [private]}).to_string();
        let error = LocalKeys::parse(&document).unwrap_err();
        assert!(error.to_string().contains("private key") && !error.to_string().contains("nWGx"));
        let printed = format!("{:?}", set(&[jwk(Some("a"))]));
        assert!(printed.contains("\"a\"") && !printed.contains("11qYAY"), "{printed}");
    }

    #[test]
    fn too_many_keys_are_refused() {
        let many: Vec<Value> = (0..=MAX_KEYS).map(|n| jwk(Some(&n.to_string()))).collect();
        let document = json!({ "keys": many }).to_string();
        assert!(KeySet::parse(document.as_bytes(), &KeySet::default()).unwrap_err().contains("65 keys"));
    }
}
