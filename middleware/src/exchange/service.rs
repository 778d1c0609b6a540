use super::{
    builder::Exchange,
    cache::Ask,
    future::{ResponseFuture, Used, Waiting, with_token},
    subject::Subject,
};
use crate::{
    error::{BoxError, Error},
    flight::Look,
    proof::{Carry, Identity, Outbound, Proves, WithBackendToken},
};
use http::{Request, Response};
use std::{
    mem,
    task::{Context, Poll},
};
use tower_service::Service;

/// Has a token exchanged for one that the backend accepts. See the [module](super).
#[derive(Clone, Debug)]
pub struct ExchangeToken<S, J> {
    inner: S,
    exchange: Exchange<J>,
}

impl<S, J> ExchangeToken<S, J> {
    pub(super) fn new(inner: S, exchange: Exchange<J>) -> Self {
        Self { inner, exchange }
    }
}

impl<J> Exchange<J> {
    fn ask<P>(&self, proof: &P) -> Result<Ask, Error>
    where
        P: Proves<Identity> + Outbound,
        J: Subject<P>,
    {
        let actor = self.actor.as_ref().map(|actor| actor.shown(proof)).transpose()?;
        Ok(Ask::new(self.subject.shown(proof)?, actor))
    }
}

impl<S, J, P, B, R> Service<Request<Carry<P, B>>> for ExchangeToken<S, J>
where
    P: Proves<Identity> + Outbound,
    J: Subject<P>,
    S: Service<Request<Carry<WithBackendToken<P>, B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, P, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let ask = match self.exchange.ask(request.body().proof()) {
            Ok(ask) => ask,
            Err(error) => return ResponseFuture::refused(error),
        };
        match self.exchange.cache.look(&ask) {
            Look::Ready(token) => {
                let used = Used { cache: self.exchange.cache.clone(), key: ask.key, token: token.clone() };
                ResponseFuture::calling(self.inner.call(with_token(request, token)), Some(used))
            }
            Look::Refused(refusal) => ResponseFuture::refused(refusal.into()),
            Look::Wait(flight) => {
                // The service that was polled ready is the one to call; its clone takes its place.
                let next = self.inner.clone();
                let inner = mem::replace(&mut self.inner, next);
                ResponseFuture::waiting(flight, Waiting { inner, request })
            }
        }
    }
}
