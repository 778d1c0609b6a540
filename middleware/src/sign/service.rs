use super::{
    future::{Job, ResponseFuture},
    layer::Settings,
};
use crate::{
    error::BoxError,
    outgoing::SendOutgoing,
    proof::{AwsCredentials, Carry, Outbound, Proves},
};
use bytes::Bytes;
use http::Request;
use http_body::Body;
use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Signs each request with the credentials that its proof holds. See the [module](super).
#[derive(Clone, Debug)]
pub struct SignRequest<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> SignRequest<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for SignRequest<S>
where
    P: Proves<AwsCredentials> + Outbound,
    S: SendOutgoing<B> + Clone,
    S::Failure: Into<BoxError>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let (parts, carry) = request.into_parts();
        let (proof, body) = carry.into_parts();
        // The service that was polled ready is the one to call; its clone takes its place.
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        let credentials: AwsCredentials = proof.fact().clone();
        ResponseFuture::new(Job { inner: ready, parts, credentials, settings: self.settings.clone() }, body)
    }
}
