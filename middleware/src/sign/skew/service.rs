#[cfg(doc)]
use super::CorrectClockLayer;
use super::{CorrectedClock, Examined, future::CorrectedFuture};
use crate::{error::BoxError, sign::Signer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    mem,
    task::{Context, Poll},
};
use tower_service::Service;

/// Sends a request once more when its signature was refused because our clock is wrong.
///
/// AWS refuses a signature whose time is more than five minutes off, and the answer says what time it is there. So
/// this layer learns by how much our clock is wrong, keeps that for this backend, and sends the request once more.
/// It stands outside [`SignRequest`](crate::sign::SignRequest), which signs the second attempt anew, and both share
/// a [`CorrectedClock`].
///
/// ```
/// use countersign::sign::{CorrectClockLayer, CorrectedClock, SignRequestLayer, SigningTarget};
/// use std::sync::Arc;
/// use tower::ServiceBuilder;
///
/// let clock = CorrectedClock::default();
/// let sign = SignRequestLayer::new(SigningTarget::new("execute-api", "eu-west-1")?).with_clock(Arc::new(clock.clone()));
/// let stack = ServiceBuilder::new().layer(CorrectClockLayer::new(clock)).layer(sign);
/// # Ok::<(), countersign::sign::InvalidTarget>(())
/// ```
///
/// The request is kept for a second attempt, so its body must be one that can be cloned. An answer is looked into
/// only when it is a refusal and its `Date` is more than four minutes from our time, or when it is to be
/// [explained](CorrectClockLayer::explaining); it is handed on whole.
#[derive(Clone, Debug)]
pub struct CorrectClock<S> {
    inner: S,
    clock: CorrectedClock,
    signer: Option<Signer>,
}

impl<S> CorrectClock<S> {
    pub(super) fn new(inner: S, clock: CorrectedClock, signer: Option<Signer>) -> Self {
        Self { inner, clock, signer }
    }
}

impl<S, T, R> Service<Request<T>> for CorrectClock<S>
where
    S: Service<Request<T>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    T: Clone,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<Examined<R>>;
    type Error = BoxError;
    type Future = CorrectedFuture<S, T, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        // The service that was polled ready is the one to call; the clone stays, and another waits for a second attempt.
        let again = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, again.clone());
        CorrectedFuture::new(
            ready.call(request.clone()),
            again,
            request,
            self.clock.clone(),
            self.signer.clone(),
        )
    }
}
