use crate::error::BoxError;
use secrecy::SecretString;
use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime},
};

/// Has a provider renew a token. [`OAuthRefresh`](super::OAuthRefresh) is the real one; a test brings its own.
///
/// It asks once and does not try again: what a refresh token is spent on is decided elsewhere.
pub trait Refresh: fmt::Debug + Send + Sync + 'static {
    /// Spends `token` at `provider`.
    fn refresh(
        &self,
        provider: &str,
        token: &SecretString,
    ) -> impl Future<Output = Result<Refreshed, RefreshFailure>> + Send;
}

/// What a provider gave for a refresh token.
#[derive(Clone)]
pub struct Refreshed {
    pub(super) access_token: SecretString,
    pub(super) expires: Option<SystemTime>,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) id_token: Option<SecretString>,
}

/// Why a token was not renewed, and so what became of the refresh token. The details are for the operator's log.
#[derive(Debug)]
#[non_exhaustive]
pub enum RefreshFailure {
    /// The provider does not accept it, now or later.
    Refused(BoxError),
    /// It is as good as before: the provider did not look at it.
    Unspent(BoxError, Option<Duration>),
    /// It may be spent, and nobody knows what for.
    Unknown(BoxError),
}

impl Refreshed {
    /// A new access token.
    pub fn new(access_token: SecretString) -> Self {
        Self { access_token, expires: None, refresh_token: None, id_token: None }
    }

    /// When it ends.
    #[must_use]
    pub fn with_expires(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The refresh token that takes the place of the one that was spent.
    #[must_use]
    pub fn with_refresh_token(mut self, token: SecretString) -> Self {
        self.refresh_token = Some(token);
        self
    }

    /// A new ID token.
    #[must_use]
    pub fn with_id_token(mut self, token: SecretString) -> Self {
        self.id_token = Some(token);
        self
    }
}

impl fmt::Debug for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed").field("expires", &self.expires).finish_non_exhaustive()
    }
}
