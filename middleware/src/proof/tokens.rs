use secrecy::SecretString;
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
}

impl UpstreamTokens {
    #[cfg_attr(not(test), expect(dead_code, reason = "`ResolveTokens` will make them"))]
    pub(crate) fn new(tokens: BTreeMap<String, UpstreamToken>) -> Self {
        Self(Arc::new(tokens))
    }

    /// What `provider` issued.
    pub fn of(&self, provider: &str) -> Option<&UpstreamToken> {
        self.0.get(provider)
    }
}

impl UpstreamToken {
    #[cfg_attr(not(test), expect(dead_code, reason = "`ResolveTokens` will make it"))]
    pub(crate) fn new(
        access_token: SecretString,
        id_token: Option<SecretString>,
        expires: Option<SystemTime>,
    ) -> Self {
        Self { access_token, id_token, expires }
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
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}
