use super::{service::ResolveTokens, source::TokenSource};
use std::{fmt, sync::Arc};
use tower_layer::Layer;

/// Applies [`ResolveTokens`].
///
/// See the [module](super) for an example.
pub struct ResolveTokensLayer<T> {
    source: Arc<T>,
    needs: Arc<[Need]>,
}

/// One provider's token that a backend needs.
///
/// ```
/// use countersign::tokens::Need;
///
/// assert_eq!(Need::from("github"), Need::access_token("github"));
/// assert_ne!(Need::id_token("corp"), Need::access_token("corp"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    pub(super) provider: Arc<str>,
    pub(super) id_token: bool,
}

impl<T: TokenSource> ResolveTokensLayer<T> {
    /// Asks `source` for what this backend needs, and for nothing else. Several layers share a source by clones of an
    /// [`Arc`], or of the source itself.
    pub fn new<N: Into<Need>>(source: T, needs: impl IntoIterator<Item = N>) -> Self {
        Self { source: Arc::new(source), needs: needs.into_iter().map(Into::into).collect() }
    }
}

impl Need {
    /// The access token of `provider`.
    pub fn access_token(provider: impl Into<Arc<str>>) -> Self {
        Self { provider: provider.into(), id_token: false }
    }

    /// The ID token of `provider`, and its access token.
    pub fn id_token(provider: impl Into<Arc<str>>) -> Self {
        Self { provider: provider.into(), id_token: true }
    }
}

impl From<&str> for Need {
    /// An access token.
    fn from(provider: &str) -> Self {
        Self::access_token(provider)
    }
}

impl<S, T: TokenSource> Layer<S> for ResolveTokensLayer<T> {
    type Service = ResolveTokens<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        ResolveTokens::new(inner, self.source.clone(), self.needs.clone())
    }
}

impl<T> Clone for ResolveTokensLayer<T> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), needs: self.needs.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for ResolveTokensLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveTokensLayer")
            .field("source", &self.source)
            .field("needs", &self.needs)
            .finish()
    }
}
