use crate::error::{BoxError, Error, Kind};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The answer of [`AttachToken`](super::AttachToken) and [`AttachHeaders`](super::AttachHeaders).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Refused { error: Option<Error> },
        Sending { #[pin] future: F },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn sending(future: F) -> Self {
        Self { state: State::Sending { future } }
    }

    pub(super) fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Sending { future } => future.poll(cx).map_err(Into::into),
            StateProjection::Refused { error } => Poll::Ready(Err(error.take().unwrap_or_else(spent).into())),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent() -> Error {
    Error::new(Kind::Unattachable, "the response was already taken")
}
