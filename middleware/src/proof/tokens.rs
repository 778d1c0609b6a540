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

/// The one token that a backend gets: the fact that `ExchangeToken` establishes.
#[derive(Clone)]
pub struct BackendToken(Arc<Issued>);

struct Issued {
    token: SecretString,
    expires: Option<SystemTime>,
}

impl UpstreamTokens {
    #[cfg_attr(
        not(any(feature = "tokens", test)),
        allow(dead_code, reason = "`ResolveTokens` makes them, where that is on")
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
    /// What a source of tokens found. It becomes a fact only where `ResolveTokens` asked for it.
    pub fn new(
        access_token: SecretString,
        id_token: Option<SecretString>,
        expires: Option<SystemTime>,
    ) -> Self {
        Self { access_token, id_token, expires, claims: None }
    }

    /// With what the provider said about the caller when they signed in there.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
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

impl BackendToken {
    #[cfg_attr(
        not(any(feature = "exchange", test)),
        allow(dead_code, reason = "`ExchangeToken` makes it, where that is on")
    )]
    pub(crate) fn new(token: SecretString, expires: Option<SystemTime>) -> Self {
        Self(Arc::new(Issued { token, expires }))
    }

    /// The token.
    pub fn token(&self) -> &SecretString {
        &self.0.token
    }

    /// When it ends, where its issuer said so.
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.expires
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl fmt::Debug for BackendToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendToken").field("expires", &self.0.expires).finish_non_exhaustive()
    }
}
