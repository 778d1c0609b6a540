use super::{
    cache::{Cache, Key},
    retry::Forgotten,
};
use crate::{
    error::{BoxError, Error, Kind},
    flight::Flight,
    proof::{BackendToken, Carry, Stage, WithBackendToken},
};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The answer of [`ExchangeToken`](super::ExchangeToken).
    pub struct ResponseFuture<S, P, B>
    where
        S: Service<Request<Carry<WithBackendToken<P>, B>>>,
    {
        #[pin]
        state: State<S, P, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, P, B, F> {
        Refused { error: Option<Error> },
        Waiting { flight: Flight<BackendToken>, call: Option<Waiting<S, P, B>> },
        Calling { #[pin] future: F, used: Option<Used> },
    }
}

/// A call that has no token yet.
pub(super) struct Waiting<S, P, B> {
    pub(super) inner: S,
    pub(super) request: Request<Carry<P, B>>,
}

/// A token that was at hand, and so may be older than the backend likes.
pub(super) struct Used {
    pub(super) cache: Cache,
    pub(super) key: Key,
    pub(super) token: BackendToken,
}

impl<S, P, B> ResponseFuture<S, P, B>
where
    S: Service<Request<Carry<WithBackendToken<P>, B>>>,
{
    pub(super) fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn waiting(flight: Flight<BackendToken>, call: Waiting<S, P, B>) -> Self {
        Self { state: State::Waiting { flight, call: Some(call) } }
    }

    pub(super) fn calling(future: S::Future, used: Option<Used>) -> Self {
        Self { state: State::Calling { future, used } }
    }
}

impl<S, P, B, R> Future for ResponseFuture<S, P, B>
where
    P: Stage,
    S: Service<Request<Carry<WithBackendToken<P>, B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { future, used } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    return Poll::Ready(Ok(judged(response, used.take())));
                }
                StateProjection::Refused { error } => return Poll::Ready(Err(spent(error.take()).into())),
                StateProjection::Waiting { flight, call } => match ready!(Pin::new(flight).poll(cx)) {
                    Err(refusal) => State::Refused { error: Some(refusal.into()) },
                    Ok(token) => match call.take() {
                        None => State::Refused { error: None },
                        Some(Waiting { mut inner, request }) => {
                            State::Calling { future: inner.call(with_token(request, token)), used: None }
                        }
                    },
                },
            };
            state.set(next);
        }
    }
}

pub(super) fn with_token<P, B>(
    request: Request<Carry<P, B>>,
    token: BackendToken,
) -> Request<Carry<WithBackendToken<P>, B>> {
    request.map(|carry| {
        let (proof, body) = carry.into_parts();
        Carry::new(WithBackendToken::new(proof, token), body)
    })
}

/// A token that the backend does not accept any more is forgotten, and the answer says so.
fn judged<R>(mut response: Response<R>, used: Option<Used>) -> Response<R> {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(Used { cache, key, token }) = used
    {
        cache.forget(&key, &token);
        response.extensions_mut().insert(Forgotten);
    }
    response
}

impl<S, P, B> fmt::Debug for ResponseFuture<S, P, B>
where
    S: Service<Request<Carry<WithBackendToken<P>, B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent(error: Option<Error>) -> Error {
    error.unwrap_or_else(|| Error::new(Kind::ExchangeUnavailable, "the response was already taken"))
}
