use super::{Examined, answer, clock::CorrectedClock, mismatch};
use crate::{error::BoxError, sign::Signer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};
use tower_service::Service;

pin_project! {
    /// The answer of [`CorrectClock`](super::CorrectClock).
    pub struct CorrectedFuture<S, T, R>
    where
        S: Service<Request<T>>,
    {
        clock: CorrectedClock,
        sent_by: i64,
        signer: Option<Signer>,
        again: Option<Again<S, T>>,
        #[pin]
        state: State<S::Future, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R> {
        Sending { #[pin] future: F },
        Examining { answer: Option<Response<Examined<R>>>, theirs: Option<SystemTime> },
        Waiting,
    }
}

/// What a second attempt takes.
struct Again<S, T> {
    service: S,
    request: Request<T>,
}

/// Less than AWS tolerates, so that no clock is corrected for nothing and none is left to drift over the edge.
const TOLERATED: Duration = Duration::from_secs(4 * 60);

/// How much of a refusal is read: they are short.
const READ: u64 = 64 * 1024;

impl<S: Service<Request<T>>, T, R> CorrectedFuture<S, T, R> {
    pub(super) fn new(
        future: S::Future,
        service: S,
        request: Request<T>,
        clock: CorrectedClock,
        signer: Option<Signer>,
    ) -> Self {
        let sent_by = clock.offset();
        let again = Some(Again { service, request });
        Self { clock, sent_by, signer, again, state: State::Sending { future } }
    }
}

impl<S, T, R> Future for CorrectedFuture<S, T, R>
where
    S: Service<Request<T>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Examined<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Sending { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?.map(Examined::new);
                    let theirs =
                        this.again.as_ref().and_then(|_| suspicion(&response, this.clock, *this.sent_by));
                    let to_explain = this.signer.is_some() && answer::may_be_about_time(response.status());
                    if theirs.is_none() && !to_explain {
                        return Poll::Ready(Ok(response));
                    }
                    this.state.set(State::Examining { answer: Some(response), theirs });
                }
                StateProjection::Examining { answer, theirs } => {
                    let Some(response) = answer.as_mut() else {
                        return Poll::Ready(Err("the answer was handed on already".into()));
                    };
                    let in_header = answer::header_says_so(response.headers());
                    let to_read = match in_header {
                        Some(said) => said && this.signer.is_some(),
                        None => true,
                    };
                    if to_read {
                        let body = response.body_mut();
                        ready!(Pin::new(&mut *body).poll_beginning(READ, cx)).map_err(Into::into)?;
                    }
                    let said =
                        in_header.unwrap_or_else(|| answer::body_says_so(&response.body().beginning()));
                    if said && theirs.is_some_and(|theirs| believe(this.clock, theirs)) {
                        this.state.set(State::Waiting);
                    } else if let Some(response) = answer.take() {
                        if let (true, Some(signer), Some(again)) = (said, &this.signer, &this.again) {
                            explain(signer, &again.request, &response.body().beginning());
                        }
                        return Poll::Ready(Ok(response));
                    }
                }
                StateProjection::Waiting => {
                    if let Some(again) = this.again.as_mut() {
                        ready!(again.service.poll_ready(cx)).map_err(Into::into)?;
                    }
                    let Some(Again { mut service, request }) = this.again.take() else {
                        return Poll::Ready(Err("the request was sent twice already".into()));
                    };
                    this.state.set(State::Sending { future: service.call(request) });
                }
            }
        }
    }
}

/// What time it is there, where a refusal may be about that. Another request may have corrected the clock since this one
/// was signed, by the offset `sent_by`.
fn suspicion<R>(response: &Response<R>, clock: &CorrectedClock, sent_by: i64) -> Option<SystemTime> {
    let theirs = answer::date(response.headers()).filter(|_| answer::may_be_about_time(response.status()))?;
    let corrected = clock.offset().abs_diff(sent_by) > TOLERATED.as_secs();
    (corrected || clock.distance(theirs) > TOLERATED).then_some(theirs)
}

fn believe(clock: &CorrectedClock, theirs: SystemTime) -> bool {
    let believed = clock.correct(theirs);
    if believed {
        tracing::warn!(
            offset = clock.offset(),
            "our clock is wrong by so many seconds; signing by the backend's"
        );
    } else {
        tracing::error!("a backend's time is too far from ours to be believed; set this machine's clock");
    }
    believed
}

/// What arrived otherwise than it was signed, for whoever reads the log.
fn explain<T>(signer: &Signer, request: &Request<T>, answer: &[u8]) {
    let Some(differences) = mismatch::differences(signer, request, answer) else { return };
    let host = request.uri().host().unwrap_or_default();
    if differences.is_empty() {
        tracing::error!(
            host,
            "a signature was refused, and nothing that can be compared differs: the payload was changed, or the key is another"
        );
    }
    for difference in differences {
        tracing::error!(host, %difference, "what arrived is not what was signed; somebody on the way changes it");
    }
}

impl<S: Service<Request<T>>, T, R> fmt::Debug for CorrectedFuture<S, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrectedFuture").finish_non_exhaustive()
    }
}
