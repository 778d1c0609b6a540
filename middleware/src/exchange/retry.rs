//! A second try, where the first had a token that the backend does not accept any more.

use http::Response;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`RetryUnauthorized`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryUnauthorizedLayer(());

/// Tries a request once more whose answer was 401 because of a token that was kept, with a new one.
///
/// It stands outside [`ExchangeToken`](super::ExchangeToken), and needs requests that can be cloned. A 401 in answer to
/// a token that was just made is the backend's last word.
#[derive(Clone, Debug)]
pub struct RetryUnauthorized<S> {
    inner: S,
}

/// In the extensions of a 401 whose token was forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forgotten;

impl RetryUnauthorizedLayer {
    /// Tries once more.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for RetryUnauthorizedLayer {
    type Service = RetryUnauthorized<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryUnauthorized { inner }
    }
}

impl<S, Q, R> Service<Q> for RetryUnauthorized<S>
where
    Q: Clone,
    S: Service<Q, Response = Response<R>> + Clone,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RetryFuture<S, Q>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let again = Some((self.inner.clone(), request.clone()));
        RetryFuture { state: State::Trying { future: self.inner.call(request), again } }
    }
}

pin_project! {
    /// The answer of [`RetryUnauthorized`].
    pub struct RetryFuture<S, Q>
    where
        S: Service<Q>,
    {
        #[pin]
        state: State<S, Q, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, F> {
        Trying { #[pin] future: F, again: Option<(S, Q)> },
        Readying { service: S, request: Option<Q> },
    }
}

impl<S, Q, R> Future for RetryFuture<S, Q>
where
    S: Service<Q, Response = Response<R>>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Trying { future, again } => {
                    let answer = ready!(future.poll(cx));
                    let forgotten =
                        answer.as_ref().is_ok_and(|it| it.extensions().get::<Forgotten>().is_some());
                    match again.take().filter(|_| forgotten) {
                        Some((service, request)) => State::Readying { service, request: Some(request) },
                        None => return Poll::Ready(answer),
                    }
                }
                StateProjection::Readying { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    // It is there: nothing polls this state again once it was taken.
                    let Some(request) = request.take() else { return Poll::Pending };
                    State::Trying { future: service.call(request), again: None }
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Q>, Q> fmt::Debug for RetryFuture<S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture").finish_non_exhaustive()
    }
}
