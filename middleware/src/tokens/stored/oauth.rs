use super::refresh::{Refresh, RefreshFailure, Refreshed};
use crate::{
    clock::{Clock, SystemClock},
    token_endpoint::{Code, ConfigError, Failure, Granted, TokenClient, TokenEndpoint},
};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

/// Renews tokens at the providers' token endpoints: RFC 6749, section 6.
///
/// ```
/// use countersign::{token_endpoint::{ClientAuthentication, TokenEndpoint}, tokens::OAuthRefresh};
///
/// let github = TokenEndpoint::new(
///     "https://github.com/login/oauth/access_token",
///     ClientAuthentication::post("Iv1.abc", "secret".into()),
/// );
/// let refresh = OAuthRefresh::new([("github", github)])?;
/// # Ok::<(), countersign::token_endpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OAuthRefresh {
    providers: Arc<BTreeMap<String, TokenClient>>,
}

impl OAuthRefresh {
    /// Knows these providers by these names.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with an endpoint, at once.
    pub fn new<N: Into<String>>(
        providers: impl IntoIterator<Item = (N, TokenEndpoint)>,
    ) -> Result<Self, ConfigError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self::with_clock(providers, &clock)
    }

    /// The same, telling the time by `clock`.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_clock<N: Into<String>>(
        providers: impl IntoIterator<Item = (N, TokenEndpoint)>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let (mut known, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, endpoint) in providers {
            let name = name.into();
            match endpoint.resolve(&format!("provider {name:?}"), clock.clone()) {
                Err(more) => problems.extend(more),
                Ok(_) if name.is_empty() => problems.push("a provider has no name; give it one".to_owned()),
                Ok(client) => {
                    if known.insert(name.clone(), client).is_some() {
                        problems.push(format!("provider {name:?} is there twice; remove one"));
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { providers: Arc::new(known) })
        } else {
            Err(ConfigError::all(problems))
        }
    }
}

impl Refresh for OAuthRefresh {
    async fn refresh(&self, provider: &str, token: &SecretString) -> Result<Refreshed, RefreshFailure> {
        let Some(client) = self.providers.get(provider) else {
            let what = "no token endpoint is configured for this provider";
            return Err(RefreshFailure::Unspent(what.into(), None));
        };
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        let granted = client.ask(&form).await.map_err(became)?;
        bearer(granted, client.now()).ok_or_else(|| RefreshFailure::Unknown(NO_BEARER.into()))
    }
}

pub(super) const NO_BEARER: &str = "what it issued is no bearer token";

/// What an answer of `now` holds, if it is about a bearer token.
pub(super) fn bearer(granted: Granted, now: SystemTime) -> Option<Refreshed> {
    granted.token_type.eq_ignore_ascii_case("bearer").then(|| Refreshed {
        access_token: granted.access_token,
        expires: granted.expires_in.and_then(|life| now.checked_add(life)),
        refresh_token: granted.refresh_token,
        id_token: granted.id_token,
    })
}

/// What became of the refresh token.
fn became(failure: Failure) -> RefreshFailure {
    match failure {
        Failure::Refused(Code::InvalidGrant) => RefreshFailure::Refused(failure.into()),
        Failure::Busy(after) => RefreshFailure::Unspent(failure.into(), after),
        // Our registration is at fault, or the request: neither lets a server look at the token.
        Failure::Refused(_) | Failure::Unsent(_) => RefreshFailure::Unspent(failure.into(), None),
        Failure::Unknown(_) | Failure::Unusable(_) => RefreshFailure::Unknown(failure.into()),
    }
}
