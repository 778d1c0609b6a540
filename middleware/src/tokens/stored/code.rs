use super::{
    connection::Connection,
    oauth::{NO_BEARER, bearer},
};
use crate::{
    clock::{Clock, SystemClock},
    error::BoxError,
    token_endpoint::{ConfigError, Failure, TokenClient, TokenEndpoint},
};
use secrecy::{ExposeSecret, SecretString};
use std::{error::Error as StdError, fmt, sync::Arc};

/// Redeems the authorization codes of one provider: RFC 6749, section 4.1.3, with PKCE. What comes of one is a
/// [`Connection`] that a [`TokenStore`](super::TokenStore) can keep.
///
/// The ID token in it, if there is one, is not verified here.
///
/// ```
/// use countersign::{token_endpoint::{ClientAuthentication, TokenEndpoint}, tokens::OAuthCodes};
///
/// let codes = OAuthCodes::new(TokenEndpoint::new(
///     "https://github.com/login/oauth/access_token",
///     ClientAuthentication::post("Iv1.abc", "secret".into()),
/// ))?;
/// # Ok::<(), countersign::token_endpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OAuthCodes {
    client: TokenClient,
}

/// Why a code gave no tokens. The details are for the operator's log.
#[derive(Debug)]
pub struct Unredeemed(BoxError);

impl OAuthCodes {
    /// Asks at `endpoint`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the endpoint, at once.
    pub fn new(endpoint: TokenEndpoint) -> Result<Self, ConfigError> {
        Self::with_clock(endpoint, Arc::new(SystemClock))
    }

    /// The same, telling the time by `clock`.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_clock(endpoint: TokenEndpoint, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let client = endpoint.resolve("the provider", clock).map_err(ConfigError::all)?;
        Ok(Self { client })
    }

    /// Spends `code`, once: whatever comes of it, it is not to be shown again.
    ///
    /// # Errors
    ///
    /// When the provider says no, or nobody knows what it said.
    pub async fn redeem(
        &self,
        code: &SecretString,
        redirect_uri: &str,
        verifier: &SecretString,
    ) -> Result<Connection, Unredeemed> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose_secret()),
        ];
        let granted = self.client.ask(&form).await?;
        let now = self.client.now();
        let granted = bearer(granted, now).ok_or_else(|| Unredeemed(NO_BEARER.into()))?;
        Ok(Connection::first(granted, now))
    }
}

impl From<Failure> for Unredeemed {
    fn from(failure: Failure) -> Self {
        Self(failure.into())
    }
}

impl fmt::Display for Unredeemed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the provider gave no tokens for the code")
    }
}

impl StdError for Unredeemed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}
