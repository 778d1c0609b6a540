use super::{cache::CredentialCache, provider::CredentialProvider, service::AssumeRole, session::Session};
use tower_layer::Layer;

/// Applies [`AssumeRole`].
///
/// See the [module](super) for an example.
pub struct AssumeRoleLayer<C> {
    cache: CredentialCache<C>,
    session: Session,
}

impl<C: CredentialProvider> AssumeRoleLayer<C> {
    /// Exchanges each caller's own token, with a cache of its own.
    pub fn new(provider: C) -> Self {
        Self::sharing(&CredentialCache::new(provider))
    }

    /// Exchanges each caller's own token, with a cache that other layers use too.
    pub fn sharing(cache: &CredentialCache<C>) -> Self {
        Self { cache: cache.clone(), session: Session::default() }
    }

    /// Has sessions made in another way.
    #[must_use]
    pub fn with_session(mut self, session: Session) -> Self {
        self.session = session;
        self
    }
}

impl<S, C: CredentialProvider> Layer<S> for AssumeRoleLayer<C> {
    type Service = AssumeRole<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        AssumeRole::new(inner, self.cache.clone(), self.session.clone())
    }
}

impl<C> Clone for AssumeRoleLayer<C> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), session: self.session.clone() }
    }
}

impl<C: std::fmt::Debug> std::fmt::Debug for AssumeRoleLayer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssumeRoleLayer").field("cache", &self.cache).field("session", &self.session).finish()
    }
}
