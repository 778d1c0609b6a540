use super::Refusal;
use crate::proof::{Identity, UpstreamToken};
use std::{fmt, future::Future, sync::Arc};

/// Finds the token that a provider issued to a caller, and renews it where that is due.
///
/// It is asked in the middle of each request, so it names its future. A source answers for the caller it is asked
/// about and for nobody else: what it keeps is bound to issuer, subject and client. See the [module](super) for an
/// example.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// What it is found by.
    type Future: Future<Output = Result<UpstreamToken, Refusal>> + Send;

    /// The token that is asked for, good for a while yet.
    ///
    /// # Errors
    ///
    /// [`Refusal::missing`] where the person has to connect the account, [`Refusal::unavailable`] where that cannot be
    /// found out now.
    fn token(&self, request: TokenRequest) -> Self::Future;
}

/// Whose token is asked for, and of which provider.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    caller: Identity,
    provider: Arc<str>,
    needs_id_token: bool,
}

impl TokenRequest {
    pub(super) fn new(caller: Identity, provider: Arc<str>, needs_id_token: bool) -> Self {
        Self { caller, provider, needs_id_token }
    }

    /// Who is calling.
    pub fn caller(&self) -> &Identity {
        &self.caller
    }

    /// Whose token it is, as it is configured.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether an ID token is needed as well, one that has not ended.
    pub fn needs_id_token(&self) -> bool {
        self.needs_id_token
    }
}

impl<S: TokenSource + ?Sized> TokenSource for Arc<S> {
    type Future = S::Future;

    fn token(&self, request: TokenRequest) -> Self::Future {
        (**self).token(request)
    }
}
