use super::{layer::Need, source::TokenSource};
use crate::{
    error::{BoxError, Error, Kind},
    proof::{Carry, Stage, UpstreamToken, UpstreamTokens, WithTokens},
    refusal::Refusal,
};
use futures_util::future::{TryJoinAll, try_join_all};
use http::Request;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The answer of [`ResolveTokens`](super::ResolveTokens).
    pub struct ResponseFuture<S, T, P, B>
    where
        S: Service<Request<Carry<WithTokens<P>, B>>>,
        T: TokenSource,
    {
        #[pin]
        state: State<S, T::Future, P, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, T, P, B, F>
    where
        T: Future<Output = Result<UpstreamToken, Refusal>>,
    {
        Resolving { #[pin] tokens: TryJoinAll<Asked<T>>, call: Option<(S, Request<Carry<P, B>>)> },
        Calling { #[pin] future: F },
    }
}

pin_project! {
    /// One provider that was asked, and what is needed of it.
    pub(super) struct Asked<T> {
        #[pin]
        token: T,
        need: Need,
    }
}

impl<T> Asked<T> {
    pub(super) fn new(token: T, need: Need) -> Self {
        Self { token, need }
    }
}

impl<S, T, P, B> ResponseFuture<S, T, P, B>
where
    S: Service<Request<Carry<WithTokens<P>, B>>>,
    T: TokenSource,
{
    pub(super) fn new(asked: Vec<Asked<T::Future>>, inner: S, request: Request<Carry<P, B>>) -> Self {
        Self { state: State::Resolving { tokens: try_join_all(asked), call: Some((inner, request)) } }
    }
}

impl<S, T, P, B> Future for ResponseFuture<S, T, P, B>
where
    P: Stage,
    T: TokenSource,
    S: Service<Request<Carry<WithTokens<P>, B>>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Calling { future } => return future.poll(cx).map_err(Into::into),
                StateProjection::Resolving { tokens, call } => {
                    // Polled once more after it was done, there is nobody left to call, and nothing to ask.
                    if call.is_none() {
                        return Poll::Ready(Err(spent().into()));
                    }
                    let found = ready!(tokens.poll(cx));
                    let (mut inner, request) = call.take().ok_or_else(spent)?;
                    let tokens = UpstreamTokens::new(found?.into_iter().collect());
                    inner.call(request.map(|carry| {
                        let (proof, body) = carry.into_parts();
                        Carry::new(WithTokens::new(proof, tokens), body)
                    }))
                }
            };
            state.set(State::Calling { future });
        }
    }
}

impl<T: Future<Output = Result<UpstreamToken, Refusal>>> Future for Asked<T> {
    type Output = Result<(String, UpstreamToken), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let found = ready!(this.token.poll(cx));
        let provider = &*this.need.provider;
        let found = found.and_then(|token| match token.id_token() {
            None if this.need.id_token => Err(Refusal::missing("there is an access token, but no ID token")),
            _ => Ok(token),
        });
        Poll::Ready(match found {
            Ok(token) => Ok((provider.to_owned(), token)),
            Err(refusal) => Err(refusal.of(provider)),
        })
    }
}

impl<S, T, P, B> fmt::Debug for ResponseFuture<S, T, P, B>
where
    S: Service<Request<Carry<WithTokens<P>, B>>>,
    T: TokenSource,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent() -> Error {
    Error::new(Kind::UpstreamUnavailable, "the response was already taken")
}
