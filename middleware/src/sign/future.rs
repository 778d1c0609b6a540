use super::{layer::Settings, signer::sign_parts};
use crate::{
    error::{BoxError, Error, Kind},
    outgoing::{Outgoing, Payload, SendOutgoing},
    proof::AwsCredentials,
};
use bytes::{Bytes, BytesMut};
use http::{Request, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The answer of [`SignRequest`](super::SignRequest).
    pub struct ResponseFuture<S, B>
    where
        S: SendOutgoing<B>,
    {
        #[pin]
        state: State<S, B, S::Sending>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Reading { #[pin] body: B, read: Read, job: Option<Job<S>> },
        Unsigned { payload: Option<(Job<S>, B)> },
        Sending { #[pin] future: F },
    }
}

/// Everything that signing takes besides the body.
pub(super) struct Job<S> {
    pub(super) inner: S,
    pub(super) parts: Parts,
    pub(super) credentials: AwsCredentials,
    pub(super) settings: Settings,
}

/// What was read so far. A body that comes in one piece is kept as that piece.
#[derive(Default)]
struct Read {
    first: Bytes,
    rest: BytesMut,
}

impl<S: SendOutgoing<B>, B> ResponseFuture<S, B> {
    pub(super) fn new(job: Job<S>, body: B) -> Self {
        let state = match job.settings.max_body {
            Some(_) => State::Reading { body, read: Read::default(), job: Some(job) },
            None => State::Unsigned { payload: Some((job, body)) },
        };
        Self { state }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: SendOutgoing<B>,
    S::Failure: Into<BoxError>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Sending { future } => return future.poll(cx).map_err(Into::into),
                StateProjection::Unsigned { payload } => {
                    let (job, body) = payload.take().ok_or_else(spent)?;
                    job.send(None, Payload::stream(body))?
                }
                StateProjection::Reading { body, read, job } => {
                    let limit = job.as_ref().and_then(|job| job.settings.max_body).ok_or_else(spent)?;
                    ready!(read.poll_end(body, limit, cx))?;
                    let bytes = std::mem::take(read).into_bytes();
                    let job = job.take().ok_or_else(spent)?;
                    job.send(Some(&bytes.clone()), Payload::whole(bytes))?
                }
            };
            state.set(State::Sending { future });
        }
    }
}

impl<S> Job<S> {
    /// The time is taken here, when the body is complete.
    fn send<B>(mut self, signed: Option<&[u8]>, payload: Payload<B>) -> Result<S::Sending, Error>
    where
        S: SendOutgoing<B>,
    {
        let Settings { target, clock, .. } = &self.settings;
        sign_parts(&mut self.parts, signed, &self.credentials, target, clock.now())?;
        Ok(self.inner.call(Outgoing::new(Request::from_parts(self.parts, payload))))
    }
}

impl Read {
    fn poll_end<B>(
        &mut self,
        mut body: Pin<&mut B>,
        limit: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        while !body.is_end_stream() {
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else { break };
            let data = frame
                .map_err(Into::into)?
                .into_data()
                .map_err(|_| Error::new(Kind::Unsignable, "a signed payload cannot have trailers"))?;
            if self.len() + data.len() > limit {
                return Poll::Ready(Err(Error::new(
                    Kind::BodyTooLarge,
                    "the body is too large to be signed",
                )
                .into()));
            }
            if self.first.is_empty() {
                self.first = data;
            } else {
                self.rest.extend_from_slice(&data);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { [&self.first[..], &self.rest[..]].concat().into() }
    }
}

impl<S: SendOutgoing<B>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A future that is polled after it was done has nothing left to say but this.
fn spent() -> Error {
    Error::new(Kind::Unsignable, "the request was already sent")
}
