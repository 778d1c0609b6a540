use super::{
    ask::Glance,
    cache::{CredentialCache, Look},
    future::{ResponseFuture, Waiting, Wish, with_credentials},
    provider::CredentialProvider,
    renew::Slot,
    session::Session,
};
use crate::{
    error::BoxError,
    proof::{AwsRole, Carry, Identity, Outbound, Proves, Uncredentialed, WithCredentials},
};
use http::Request;
use std::{
    fmt, mem,
    task::{Context, Poll},
};
use tower_service::Service;

/// Gives each request the credentials of its caller, in the role that was selected. See the [module](super).
pub struct AssumeRole<S, C> {
    inner: S,
    cache: CredentialCache<C>,
    session: Session,
}

impl<S, C> AssumeRole<S, C> {
    pub(super) fn new(inner: S, cache: CredentialCache<C>, session: Session) -> Self {
        Self { inner, cache, session }
    }
}

impl<S, C, P, B> Service<Request<Carry<P, B>>> for AssumeRole<S, C>
where
    P: Proves<AwsRole> + Proves<Identity> + Outbound + Uncredentialed,
    C: CredentialProvider,
    S: Service<Request<Carry<WithCredentials<P>, B>>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, C, P, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let glance = match Glance::at(&self.session, request.body().proof(), request.method()) {
            Ok(glance) => glance,
            Err(error) => return ResponseFuture::refused(error),
        };
        if let Some((credentials, entry)) = self.cache.hit(&glance) {
            Slot::fill(request.extensions(), entry, self.cache.clock(), Some(self.cache.observer()));
            return ResponseFuture::calling(self.inner.call(with_credentials(request, credentials)));
        }
        let ask = glance.to_ask();
        match self.cache.look(&ask) {
            Look::Ready(credentials) => {
                ResponseFuture::calling(self.inner.call(with_credentials(request, credentials)))
            }
            Look::Refused(refusal) => ResponseFuture::refused(refusal.into()),
            Look::Wait(flight) => {
                // The service that was polled ready is the one to call; its clone takes its place.
                let next = self.inner.clone();
                let inner = mem::replace(&mut self.inner, next);
                let wish = Wish::Caller { ask: Box::new(ask), cache: self.cache.clone() };
                ResponseFuture::waiting(flight, Waiting { inner, request, wish })
            }
        }
    }
}

impl<S: Clone, C> Clone for AssumeRole<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), cache: self.cache.clone(), session: self.session.clone() }
    }
}

impl<S: fmt::Debug, C: fmt::Debug> fmt::Debug for AssumeRole<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole").field("inner", &self.inner).field("session", &self.session).finish()
    }
}
