//! Other issuers whose word counts about people.

use countersign::identity::Verifier;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All of them, by their names. Nobody, unless somebody says so.
#[derive(Clone, Debug, Default)]
pub(in crate::issuer) struct Trusted(BTreeMap<String, Arc<TrustedIssuer>>);

/// One of them, and for what.
#[derive(Clone, Debug)]
pub(in crate::issuer) struct TrustedIssuer {
    /// Its `iss`.
    pub(in crate::issuer) name: String,
    /// Believes the assertions that it makes for us, with us or our token endpoint as their audience (RFC 7523).
    pub(in crate::issuer) assertions: Option<Verifier>,
    /// Believes its tokens that are exchanged (RFC 8693), whomever they were made for.
    pub(in crate::issuer) subjects: Option<Verifier>,
    /// What of its claims stands in our tokens too.
    pub(in crate::issuer) claims: BTreeSet<String>,
    /// What can be granted on its word, at most.
    pub(in crate::issuer) scopes: BTreeSet<String>,
}

impl Trusted {
    pub(in crate::issuer) fn new(issuers: impl IntoIterator<Item = TrustedIssuer>) -> Self {
        Self(issuers.into_iter().map(|issuer| (issuer.name.clone(), Arc::new(issuer))).collect())
    }

    pub(super) fn named(&self, name: &str) -> Option<&TrustedIssuer> {
        self.0.get(name).map(|issuer| &**issuer)
    }
}
