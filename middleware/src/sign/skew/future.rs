use super::{Examined, answer, clock::CorrectedClock};
use crate::error::BoxError;
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
        again: Option<Again<S, T>>,
        #[pin]
        state: State<S::Future, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R> {
        Sending { #[pin] future: F },
        Examining { answer: Option<Response<Examined<R>>>, theirs: SystemTime },
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
    pub(super) fn new(future: S::Future, service: S, request: Request<T>, clock: CorrectedClock) -> Self {
        Self { clock, again: Some(Again { service, request }), state: State::Sending { future } }
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
                    let theirs = this.again.as_ref().and_then(|_| suspicion(&response, this.clock));
                    let Some(theirs) = theirs else { return Poll::Ready(Ok(response)) };
                    this.state.set(State::Examining { answer: Some(response), theirs });
                }
                StateProjection::Examining { answer, theirs } => {
                    let Some(response) = answer.as_mut() else {
                        return Poll::Ready(Err("the answer was handed on already".into()));
                    };
                    let said = match answer::header_says_so(response.headers()) {
                        Some(said) => said,
                        None => {
                            let body = response.body_mut();
                            ready!(Pin::new(&mut *body).poll_beginning(READ, cx)).map_err(Into::into)?;
                            answer::body_says_so(&body.beginning())
                        }
                    };
                    if said && believe(this.clock, *theirs) {
                        this.state.set(State::Waiting);
                    } else if let Some(response) = answer.take() {
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

/// What time it is there, where a refusal may be about that.
fn suspicion<R>(response: &Response<R>, clock: &CorrectedClock) -> Option<SystemTime> {
    let theirs = answer::date(response.headers()).filter(|_| answer::may_be_about_time(response.status()))?;
    (clock.distance(theirs) > TOLERATED).then_some(theirs)
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

impl<S: Service<Request<T>>, T, R> fmt::Debug for CorrectedFuture<S, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrectedFuture").finish_non_exhaustive()
    }
}
