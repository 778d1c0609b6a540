use super::{
    Respond,
    answer::{Answer, Rewritable},
};
use crate::error::BoxError;
use http::{HeaderMap, Response, header};
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The answer of [`RespondService`](super::RespondService).
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F>,
        respond: R,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProjection]
    enum State<F> {
        Calling { #[pin] future: F },
        Failed { error: Option<BoxError> },
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn new(future: F, respond: R) -> Self {
        Self { state: State::Calling { future }, respond }
    }

    pub(super) fn failed(error: BoxError, respond: R) -> Self {
        Self { state: State::Failed { error: Some(error) }, respond }
    }
}

impl<F, R, B, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    R: Respond<B>,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = match this.state.project() {
            StateProjection::Calling { future } => ready!(future.poll(cx)).map_err(Into::into),
            StateProjection::Failed { error } => {
                Err(error.take().unwrap_or_else(|| "polled again after the end".into()))
            }
        };
        let response = match outcome {
            Ok(response) => match response.extensions().get::<Rewritable>() {
                None => response,
                Some(Rewritable(answer)) => keep_headers(this.respond.respond(answer), response.headers()),
            },
            Err(error) => this.respond.respond(&Answer::to(&*error)),
        };
        Poll::Ready(Ok(response))
    }
}

/// Adds what other layers had to say about a response that is written anew, such as CORS.
fn keep_headers<B>(mut response: Response<B>, headers: &HeaderMap) -> Response<B> {
    let written = response.headers().clone();
    let others =
        headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH && !written.contains_key(*name));
    response.headers_mut().extend(others.map(|(name, value)| (name.clone(), value.clone())));
    response
}
