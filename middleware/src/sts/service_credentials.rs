use super::{
    aws::Sts,
    cache::Look,
    future::{ResponseFuture, Waiting, Wish, with_credentials},
    renew::Slot,
    service_identity::ServiceIdentity,
};
use crate::{
    error::BoxError,
    proof::{Carry, Outbound, Uncredentialed, WithCredentials},
};
use http::Request;
use std::{
    mem,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`ServiceCredentials`].
///
/// See [`sign`](crate::sign) for an example.
#[derive(Clone, Debug)]
pub struct ServiceCredentialsLayer {
    identity: ServiceIdentity,
}

/// Establishes one identity's credentials for every request, whoever makes it and even if nobody does.
#[derive(Clone, Debug)]
pub struct ServiceCredentials<S> {
    inner: S,
    identity: ServiceIdentity,
}

impl ServiceCredentialsLayer {
    /// Signs as `identity`: the holder of [`StaticKeys`](super::StaticKeys), whoever the service is where it runs
    /// ([`Ambient`](super::Ambient)), or a role that one of them assumes.
    pub fn new(identity: impl Into<ServiceIdentity>) -> Self {
        Self { identity: identity.into() }
    }
}

impl<S> Layer<S> for ServiceCredentialsLayer {
    type Service = ServiceCredentials<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServiceCredentials { inner, identity: self.identity.clone() }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for ServiceCredentials<S>
where
    P: Outbound + Uncredentialed,
    S: Service<Request<Carry<WithCredentials<P>, B>>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Sts, P, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        match self.identity.look() {
            Look::Ready(credentials) => {
                if let Some(entry) = self.identity.entry() {
                    Slot::fill(request.extensions(), entry.clone(), self.identity.clock(), None);
                }
                ResponseFuture::calling(self.inner.call(with_credentials(request, credentials)))
            }
            Look::Refused(refusal) => ResponseFuture::refused(refusal.into()),
            Look::Wait(flight) => {
                // The service that was polled ready is the one to call; its clone takes its place.
                let next = self.inner.clone();
                let inner = mem::replace(&mut self.inner, next);
                ResponseFuture::waiting(flight, Waiting { inner, request, wish: Wish::Service })
            }
        }
    }
}
