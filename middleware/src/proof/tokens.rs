use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

/// Tokens that other providers issued to the caller, by provider: the fact that `ResolveTokens` establishes.
#[derive(Clone, Debug)]
pub struct UpstreamTokens(Arc<BTreeMap<String, UpstreamToken>>);

/// What one provider issued to the caller.
#[derive(Clone)]
pub struct UpstreamToken {
    access_token: SecretString,
    id_token: Option<SecretString>,
    expires: Option<SystemTime>,
    claims: Option<Map<String, Value>>,
}

impl UpstreamTokens {
    #[cfg_attr(
        not(any(feature = "expression", test)),
        expect(dead_code, reason = "`ResolveTokens` will make them")
    )]
    pub(crate) fn new(tokens: BTreeMap<String, UpstreamToken>) -> Self {
        Self(Arc::new(tokens))
    }

    /// What `provider` issued.
    pub fn of(&self, provider: &str) -> Option<&UpstreamToken> {
        self.0.get(provider)
    }

    /// What each provider issued, by provider.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &UpstreamToken)> {
        self.0.iter().map(|(provider, token)| (provider.as_str(), token))
    }
}

impl UpstreamToken {
    #[cfg_attr(
        not(any(feature = "expression", test)),
        expect(dead_code, reason = "`ResolveTokens` will make it")
    )]
    pub(crate) fn new(
        access_token: SecretString,
        id_token: Option<SecretString>,
        expires: Option<SystemTime>,
    ) -> Self {
        Self { access_token, id_token, expires, claims: None }
    }

    /// With what the provider said about the caller when they signed in there.
    #[cfg_attr(
        not(any(feature = "expression", test)),
        expect(dead_code, reason = "`ResolveTokens` will keep them")
    )]
    pub(crate) fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = Some(claims);
        self
    }

    /// The access token.
    pub fn access_token(&self) -> &SecretString {
        &self.access_token
    }

    /// The ID token, where the provider issued one.
    pub fn id_token(&self) -> Option<&SecretString> {
        self.id_token.as_ref()
    }

    /// When the access token ends, where the provider said so.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// What the provider said about the caller when they signed in there: the ID token's claims.
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        self.claims.as_ref()
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}
