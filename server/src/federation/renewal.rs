//! How the tokens of all upstreams are renewed.

use super::{Upstreams, Way};
use countersign::tokens::{Refresh, RefreshFailure, Refreshed};
use secrecy::SecretString;

/// Renews tokens at the upstream that issued them.
#[derive(Clone, Debug)]
pub(crate) struct Renewal {
    upstreams: Upstreams,
}

impl Renewal {
    pub(super) const fn of(upstreams: Upstreams) -> Self {
        Self { upstreams }
    }
}

impl Refresh for Renewal {
    async fn refresh(&self, provider: &str, token: &SecretString) -> Result<Refreshed, RefreshFailure> {
        let unspent = |error: super::Error| RefreshFailure::Unspent(Box::new(error), None);
        let upstream = self.upstreams.named(provider);
        let upstream = upstream
            .ok_or_else(|| unspent(super::Error::unavailable("there is no upstream of this name")))?;
        match &upstream.way {
            Way::OAuth2(oauth2) => oauth2.refresh().refresh(provider, token).await,
            Way::Oidc(oidc) => {
                let refresh = oidc.refresh().await.map_err(unspent)?;
                refresh.refresh(oidc.issuer(), token).await
            }
        }
    }
}
