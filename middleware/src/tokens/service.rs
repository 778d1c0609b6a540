use super::{
    future::{Asked, ResponseFuture},
    layer::Need,
    source::{TokenRequest, TokenSource},
};
use crate::{
    error::BoxError,
    proof::{Carry, Identity, Outbound, Proves, WithTokens},
};
use http::Request;
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Finds the caller's tokens at the providers that a backend needs. See the [module](super).
pub struct ResolveTokens<S, T> {
    inner: S,
    source: Arc<T>,
    needs: Arc<[Need]>,
}

impl<S, T> ResolveTokens<S, T> {
    pub(super) fn new(inner: S, source: Arc<T>, needs: Arc<[Need]>) -> Self {
        Self { inner, source, needs }
    }
}

impl<S, T, P, B> Service<Request<Carry<P, B>>> for ResolveTokens<S, T>
where
    P: Proves<Identity> + Outbound,
    T: TokenSource,
    S: Service<Request<Carry<WithTokens<P>, B>>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, T, P, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let caller: &Identity = request.body().proof().fact();
        let asked = self.needs.iter().map(|need| {
            let request = TokenRequest::new(caller.clone(), need.provider.clone(), need.id_token);
            Asked::new(self.source.token(request), need.clone())
        });
        let asked = asked.collect();
        // The service that was polled ready is the one to call; its clone takes its place.
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        ResponseFuture::new(asked, ready, request)
    }
}

impl<S: Clone, T> Clone for ResolveTokens<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), source: self.source.clone(), needs: self.needs.clone() }
    }
}

impl<S: fmt::Debug, T: fmt::Debug> fmt::Debug for ResolveTokens<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveTokens")
            .field("inner", &self.inner)
            .field("source", &self.source)
            .field("needs", &self.needs)
            .finish()
    }
}
