//! What a person let a client do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Who let whom do what. Codes, refresh tokens and access tokens all carry the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// The client's id.
    pub(super) client: String,
    /// The person, by the name that we have for them.
    pub(super) subject: String,
    /// What the token is for (RFC 8707).
    pub(super) resource: String,
    pub(super) scopes: BTreeSet<String>,
    /// What the upstreams said of the person, as far as it is configured to be passed on.
    pub(super) claims: Map<String, Value>,
    /// What the upstreams' tokens of this sign-in are kept under. Empty where nobody signed in.
    pub(super) session: String,
}

impl Grant {
    /// The same with fewer scopes. `None` where one was asked for that was not granted.
    pub(super) fn narrowed(&self, scopes: &BTreeSet<String>) -> Option<Self> {
        let mut grant = self.clone();
        if !scopes.is_empty() {
            if !scopes.is_subset(&self.scopes) {
                return None;
            }
            grant.scopes.clone_from(scopes);
        }
        Some(grant)
    }
}
