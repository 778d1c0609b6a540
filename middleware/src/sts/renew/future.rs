use super::{Slot, refused::refuses_credentials};
use crate::{error::BoxError, proof::Carry};
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The answer of [`RenewCredentials`](super::RenewCredentials).
    pub struct RenewFuture<S, P, B>
    where
        S: Service<Request<Carry<P, B>>>,
    {
        #[pin]
        state: State<S, Request<Carry<P, B>>, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, F> {
        First { #[pin] future: F, slot: Slot, again: Option<(S, Q)> },
        // The service has to be ready once more before it is called once more.
        Waiting { again: Option<(S, Q)> },
        Second { #[pin] future: F },
    }
}

impl<S, P, B> RenewFuture<S, P, B>
where
    S: Service<Request<Carry<P, B>>>,
{
    pub(super) fn new(future: S::Future, slot: Slot, inner: S, request: Request<Carry<P, B>>) -> Self {
        Self { state: State::First { future, slot, again: Some((inner, request)) } }
    }
}

impl<S, P, B, R> Future for RenewFuture<S, P, B>
where
    S: Service<Request<Carry<P, B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::First { future, slot, again } => {
                    let answer = ready!(future.poll(cx));
                    match answer {
                        Ok(response) if refuses_credentials(&response) && slot.renew() => {
                            State::Waiting { again: again.take() }
                        }
                        answer => return Poll::Ready(answer.map_err(Into::into)),
                    }
                }
                StateProjection::Waiting { again } => {
                    let Some((inner, _)) = again else {
                        return Poll::Ready(Err("the response was already taken".into()));
                    };
                    ready!(inner.poll_ready(cx)).map_err(Into::into)?;
                    let Some((mut inner, request)) = again.take() else { continue };
                    State::Second { future: inner.call(request) }
                }
                StateProjection::Second { future } => return future.poll(cx).map_err(Into::into),
            };
            state.set(next);
        }
    }
}

impl<S, P, B> fmt::Debug for RenewFuture<S, P, B>
where
    S: Service<Request<Carry<P, B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewFuture").finish_non_exhaustive()
    }
}
