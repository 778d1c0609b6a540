use super::{Respond, future::ResponseFuture};
use crate::error::BoxError;
use http::{Request, Response};
use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Turns every error of the service inside into a response, so that nothing fails any more.
#[derive(Debug)]
pub struct RespondService<S, R> {
    inner: S,
    respond: R,
    /// Why the inner service did not become ready: the next call is answered with it.
    unready: Option<BoxError>,
}

impl<S, R> RespondService<S, R> {
    /// Answers the errors of `inner` as `respond` does.
    pub fn new(inner: S, respond: R) -> Self {
        Self { inner, respond, unready: None }
    }
}

impl<S, R, B, C> Service<Request<C>> for RespondService<S, R>
where
    S: Service<Request<C>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    R: Respond<B> + Clone,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_none() {
            self.unready = ready!(self.inner.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<C>) -> Self::Future {
        match self.unready.take() {
            None => ResponseFuture::new(self.inner.call(request), self.respond.clone()),
            Some(error) => ResponseFuture::failed(error, self.respond.clone()),
        }
    }
}

impl<S: Clone, R: Clone> Clone for RespondService<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.respond.clone())
    }
}
