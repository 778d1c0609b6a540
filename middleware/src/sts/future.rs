use super::{
    ask::Ask,
    cache::{CredentialCache, Look},
    entry::Flight,
    provider::CredentialProvider,
    refusal::{Concerns, Refusal},
};
use crate::{
    error::{BoxError, Error, Kind},
    proof::{AwsCredentials, Carry, Stage, WithCredentials},
};
use http::Request;
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The answer of [`AssumeRole`](super::AssumeRole).
    pub struct ResponseFuture<S, C, P, B>
    where
        S: Service<Request<Carry<WithCredentials<P>, B>>>,
    {
        #[pin]
        state: State<S, C, P, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, C, P, B, F> {
        Refused { error: Option<Error> },
        Waiting { flight: Flight, call: Option<Box<Waiting<S, C, P, B>>> },
        Calling { #[pin] future: F },
    }
}

/// A call that has no credentials yet. Kept in a box, so that the future of those that have is small.
pub(super) struct Waiting<S, C, P, B> {
    pub(super) inner: S,
    pub(super) request: Request<Carry<P, B>>,
    pub(super) wish: Wish<C>,
}

/// Whose credentials are waited for.
pub(super) enum Wish<C> {
    Caller { ask: Box<Ask>, cache: CredentialCache<C> },
    Service,
}

impl<S, C, P, B> ResponseFuture<S, C, P, B>
where
    S: Service<Request<Carry<WithCredentials<P>, B>>>,
{
    pub(super) fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn waiting(flight: Flight, call: Waiting<S, C, P, B>) -> Self {
        Self { state: State::Waiting { flight, call: Some(Box::new(call)) } }
    }

    pub(super) fn calling(future: S::Future) -> Self {
        Self { state: State::Calling { future } }
    }
}

impl<S, C, P, B> Future for ResponseFuture<S, C, P, B>
where
    P: Stage,
    C: CredentialProvider,
    S: Service<Request<Carry<WithCredentials<P>, B>>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { future } => return future.poll(cx).map_err(Into::into),
                StateProjection::Refused { error } => return Poll::Ready(Err(spent(error.take()).into())),
                StateProjection::Waiting { flight, call } => {
                    let outcome =
                        ready!(Pin::new(&mut flight.outcome).poll(cx)).unwrap_or_else(|_| Err(stopped()));
                    match call.take() {
                        Some(call) => call.go_on(flight, outcome),
                        None => State::Refused { error: None },
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, C, P, B> Waiting<S, C, P, B>
where
    P: Stage,
    C: CredentialProvider,
    S: Service<Request<Carry<WithCredentials<P>, B>>>,
{
    fn go_on(
        mut self: Box<Self>,
        flight: &Flight,
        outcome: Result<AwsCredentials, Refusal>,
    ) -> State<S, C, P, B, S::Future> {
        let look = match outcome {
            Ok(credentials) => Look::Ready(credentials),
            Err(refusal) => match &self.wish {
                // Somebody else's token was at fault, and this one was not tried yet.
                Wish::Caller { ask, cache }
                    if refusal.concerns() == Concerns::OneToken && !flight.is_for(ask.mark()) =>
                {
                    cache.look(ask)
                }
                Wish::Caller { .. } | Wish::Service => Look::Refused(refusal),
            },
        };
        match look {
            Look::Ready(credentials) => {
                State::Calling { future: self.inner.call(with_credentials(self.request, credentials)) }
            }
            Look::Refused(refusal) => State::Refused { error: Some(refusal.into()) },
            Look::Wait(flight) => State::Waiting { flight, call: Some(self) },
        }
    }
}

pub(super) fn with_credentials<P, B>(
    request: Request<Carry<P, B>>,
    credentials: AwsCredentials,
) -> Request<Carry<WithCredentials<P>, B>> {
    request.map(|carry| {
        let (proof, body) = carry.into_parts();
        Carry::new(WithCredentials::new(proof, credentials), body)
    })
}

impl<S, C, P, B> fmt::Debug for ResponseFuture<S, C, P, B>
where
    S: Service<Request<Carry<WithCredentials<P>, B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

fn stopped() -> Refusal {
    Refusal::new(Kind::StsUnavailable, "the exchange was stopped before it ended")
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent(error: Option<Error>) -> Error {
    error.unwrap_or_else(|| Error::new(Kind::StsUnavailable, "the response was already taken"))
}
