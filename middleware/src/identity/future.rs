use super::{
    handover::{WithoutProof, with_proof},
    verifier::Verifier,
};
use crate::{
    error::{BoxError, Error, Kind},
    proof::{Authenticated, Carry, Identity},
    task::Owned,
};
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
    /// The answer of [`VerifyIdentity`](super::VerifyIdentity).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<Carry<Authenticated, B>>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Refused { error: Option<Error> },
        Waiting { verdict: Owned<Result<Identity, Error>>, call: Option<(S, Verifier, Request<B>)> },
        Calling { #[pin] future: F },
    }
}

pin_project! {
    /// The answer of [`VerifyIdentityForRouter`](super::VerifyIdentityForRouter).
    pub struct RouterFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        way: Way<ResponseFuture<WithoutProof<S>, B>, S::Future>,
    }
}

pin_project! {
    #[project = WayProjection]
    enum Way<V, A> {
        Verified { #[pin] future: V },
        Anonymous { #[pin] future: A },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<Carry<Authenticated, B>>>,
{
    pub(super) fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn waiting(
        verdict: Owned<Result<Identity, Error>>,
        inner: S,
        verifier: Verifier,
        request: Request<B>,
    ) -> Self {
        Self { state: State::Waiting { verdict, call: Some((inner, verifier, request)) } }
    }

    pub(super) fn calling(future: S::Future) -> Self {
        Self { state: State::Calling { future } }
    }
}

impl<S, B> RouterFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn verified(future: ResponseFuture<WithoutProof<S>, B>) -> Self {
        Self { way: Way::Verified { future } }
    }

    pub(super) fn anonymous(future: S::Future) -> Self {
        Self { way: Way::Anonymous { future } }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<Carry<Authenticated, B>>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { future } => return future.poll(cx).map_err(Into::into),
                StateProjection::Refused { error } => return Poll::Ready(Err(spent(error.take()).into())),
                StateProjection::Waiting { verdict, call } => match ready!(Pin::new(verdict).poll(cx)) {
                    Ok(Ok(identity)) => match call.take() {
                        Some((mut inner, verifier, request)) => {
                            let request = with_proof(request, verifier.authenticated(identity));
                            State::Calling { future: inner.call(request) }
                        }
                        None => State::Refused { error: None },
                    },
                    Ok(Err(error)) => State::Refused { error: Some(error) },
                    Err(panicked) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
                    Err(stopped) => {
                        let what = "the verification was stopped by a shutdown";
                        State::Refused {
                            error: Some(Error::new(Kind::IssuerUnavailable, what).with_source(stopped)),
                        }
                    }
                },
            };
            state.set(next);
        }
    }
}

impl<S, B> Future for RouterFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProjection::Verified { future } => future.poll(cx),
            WayProjection::Anonymous { future } => future.poll(cx).map_err(Into::into),
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<Carry<Authenticated, B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<S, B> fmt::Debug for RouterFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent(error: Option<Error>) -> Error {
    error.unwrap_or_else(|| Error::new(Kind::NotVerified, "the response was already taken"))
}
