use super::{
    body::Reading,
    layer::{PayloadMode, Settings},
    payload::{PayloadHash, SignedPayload},
};
use crate::{
    error::{BoxError, Error, Kind},
    outgoing::{Outgoing, Payload, SendOutgoing},
    proof::AwsCredentials,
};
use bytes::Bytes;
use http::{Request, header, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
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
        Reading { #[pin] body: B, reading: Reading, job: Option<Job<S>> },
        Passing { payload: Option<(Job<S>, B)> },
        Sending { #[pin] future: F },
    }
}

/// Everything that signing takes besides the body.
pub(super) struct Job<S> {
    pub(super) inner: S,
    pub(super) parts: Parts,
    pub(super) credentials: AwsCredentials,
    pub(super) settings: Arc<Settings>,
}

impl<S: SendOutgoing<B>, B> ResponseFuture<S, B> {
    pub(super) fn new(job: Job<S>, body: B) -> Self {
        let state = match job.settings.payload {
            PayloadMode::Signed { .. } => {
                State::Reading { body, reading: Reading::default(), job: Some(job) }
            }
            PayloadMode::Unsigned | PayloadMode::Precomputed => State::Passing { payload: Some((job, body)) },
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
                StateProjection::Passing { payload } => {
                    let (job, body) = payload.take().ok_or_else(spent)?;
                    let signed = job.passing()?;
                    job.send(&signed, Payload::stream(body))?
                }
                StateProjection::Reading { body, reading, job } => {
                    let limit = job.as_ref().ok_or_else(spent)?.settings.payload.limit();
                    let (pieces, hash) = ready!(reading.poll_end(body, limit, cx))?;
                    let mut job = job.take().ok_or_else(spent)?;
                    // The transport knows it from the body; what an earlier hop said need not be true.
                    job.parts.headers.remove(header::CONTENT_LENGTH);
                    job.send(&SignedPayload::Hash(hash), Payload::whole(pieces))?
                }
            };
            state.set(State::Sending { future });
        }
    }
}

impl<S> Job<S> {
    /// What is signed of a body that is not read.
    fn passing(&self) -> Result<SignedPayload<'static>, Error> {
        match self.settings.payload {
            PayloadMode::Precomputed => {
                let hash = self.parts.extensions.get::<PayloadHash>().ok_or_else(|| {
                    Error::new(Kind::Unsignable, "no hash of the payload came with the request")
                })?;
                Ok(SignedPayload::Hash(*hash))
            }
            PayloadMode::Unsigned | PayloadMode::Signed { .. } => Ok(SignedPayload::Unsigned),
        }
    }

    /// The time is taken here, when the body is complete.
    fn send<B>(mut self, signed: &SignedPayload<'_>, payload: Payload<B>) -> Result<S::Sending, Error>
    where
        S: SendOutgoing<B>,
    {
        let Settings { signer, clock, .. } = &*self.settings;
        signer.sign_for(&mut self.parts, signed, &self.credentials, clock.now())?;
        Ok(self.inner.call(Outgoing::new(Request::from_parts(self.parts, payload))))
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
