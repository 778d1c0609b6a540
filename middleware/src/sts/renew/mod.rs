//! Once more with new credentials, where a backend does not accept these any more.

mod future;
mod refused;

pub use self::future::RenewFuture;

use super::{
    entry::Entry,
    observe::{Event, Observer},
};
use crate::{
    clock::Clock,
    error::BoxError,
    proof::{Carry, Outbound},
};
use http::{Request, Response};
use std::{
    fmt, mem,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`RenewCredentials`].
///
/// ```
/// use countersign::{ServiceBuilderExt, sts::{CredentialCache, RenewCredentialsLayer, Session, Sts}};
/// use tower::ServiceBuilder;
///
/// let cache = CredentialCache::new(Sts::in_region("eu-west-1")?);
/// let stack = ServiceBuilder::new()
///     .layer(RenewCredentialsLayer::new())
///     .assume_role(&cache, Session::default());
/// # Ok::<(), countersign::sts::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RenewCredentialsLayer(());

/// Tries once more with new credentials, where the answer says that AWS does not accept those any more: their role's
/// sessions were revoked, say.
///
/// It stands outside [`AssumeRole`](super::AssumeRole) or [`ServiceCredentials`](super::ServiceCredentials). The answer
/// says so in the header `x-amzn-errortype`, which services that speak JSON send. Those that speak XML say it in the
/// body, which this layer does not read: tell the cache of them, with
/// [`forget_credentials`](super::CredentialCache::forget_credentials).
#[derive(Clone, Debug)]
pub struct RenewCredentials<S> {
    inner: S,
}

/// In the extensions of a request: where the layer that has the credentials says which they are.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<OnceLock<Used>>);

#[derive(Clone)]
struct Used {
    entry: Arc<Entry>,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
}

impl RenewCredentialsLayer {
    /// One more try.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RenewCredentialsLayer {
    type Service = RenewCredentials<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RenewCredentials { inner }
    }
}

impl<S, P, B, R> Service<Request<Carry<P, B>>> for RenewCredentials<S>
where
    P: Outbound + Clone,
    B: Clone,
    S: Service<Request<Carry<P, B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = RenewFuture<S, P, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Carry<P, B>>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone takes its place.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let again = request.clone();
        let slot = Slot::default();
        request.extensions_mut().insert(slot.clone());
        let future = inner.call(request);
        RenewFuture::new(future, slot, inner, again)
    }
}

impl Slot {
    /// The credentials of this request were taken from `entry`.
    pub(super) fn fill(
        request: &http::Extensions,
        entry: Arc<Entry>,
        clock: &Arc<dyn Clock>,
        observer: Option<&Arc<dyn Observer>>,
    ) {
        if let Some(slot) = request.get::<Self>() {
            // There is one place only in a stack that fills it.
            let _ = slot.0.set(Used { entry, clock: clock.clone(), observer: observer.cloned() });
        }
    }

    /// Whether a second try may end otherwise. Drops the credentials, unless they are new already.
    fn renew(&self) -> bool {
        let Some(Used { entry, clock, observer }) = self.0.get() else { return false };
        if entry.renew(clock.now())
            && let Some(observer) = observer
        {
            observer.observe(&Event::Evicted);
        }
        true
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
