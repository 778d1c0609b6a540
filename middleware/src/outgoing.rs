//! A request that is finished: nothing changes it any more, and it is sent once.
//!
//! The layers that put credentials onto a request call their inner service with [`Outgoing`], which is not an
//! [`http::Request`]: its headers cannot be changed, and it cannot be cloned. So a layer that would change a
//! request after it was signed does not compile there, and neither does a retry, which has to stand outside and
//! have every attempt signed anew. Layers that are generic over the request (timeouts, limits, load shedding)
//! still fit. [`Transmit`](crate::transmit::Transmit) is what takes it apart again.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tower_service::Service;

/// A request that is ready to be sent.
///
/// ```
/// use countersign::outgoing::Outgoing;
///
/// fn describe<B>(request: &Outgoing<B>) -> String {
///     format!("{} {}", request.method(), request.uri())
/// }
/// ```
pub struct Outgoing<B>(Request<Payload<B>>);

pin_project! {
    /// A body that was read to its end, or one that is passed on as it comes.
    #[project = PayloadProjection]
    pub struct Payload<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Whole { bytes: Full<Bytes> },
        Stream { #[pin] body: B },
    }
}

/// What may stand between a layer that finishes requests and [`Transmit`](crate::transmit::Transmit): every
/// service for [`Outgoing`]. It exists to be named in a compiler's message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand between `SignRequest` and `Transmit`",
    label = "would see the request after it was signed",
    note = "only layers generic over the request fit here (timeout, limits); others go outside `SignRequest`"
)]
pub trait SendOutgoing<B>: Service<Outgoing<B>, Error = Self::Failure, Future = Self::Sending> {
    /// Its error.
    type Failure;
    /// Its future.
    type Sending: Future<Output = Result<Self::Response, Self::Failure>>;
}

#[diagnostic::do_not_recommend]
impl<B, S: Service<Outgoing<B>>> SendOutgoing<B> for S {
    type Failure = S::Error;
    type Sending = S::Future;
}

impl<B> Outgoing<B> {
    pub(crate) fn new(request: Request<Payload<B>>) -> Self {
        Self(request)
    }

    pub(crate) fn into_request(self) -> Request<Payload<B>> {
        self.0
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        self.0.method()
    }

    /// Where it goes.
    pub fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// Its headers, credentials included.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }
}

impl<B> Payload<B> {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole { bytes: Full::new(bytes) } }
    }

    pub(crate) fn stream(body: B) -> Self {
        Self { kind: Kind::Stream { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for Payload<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Whole { bytes } => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            KindProjection::Stream { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { bytes } => bytes.is_end_stream(),
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { bytes } => bytes.size_hint(),
            Kind::Stream { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for Outgoing<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", self.method())
            .field("uri", self.uri())
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Payload<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Whole { .. } => "whole",
            Kind::Stream { .. } => "stream",
        };
        f.debug_struct("Payload").field("kind", &kind).finish_non_exhaustive()
    }
}
