//! A request that is finished: nothing changes it any more, and it is sent once.
//!
//! The layers that put credentials onto a request call their inner service with [`Outgoing`], which is not an
//! [`http::Request`]: its headers cannot be changed, and it cannot be cloned. So a layer that would change a
//! request after it was signed does not compile there, and neither does a retry, which has to stand outside and
//! have every attempt signed anew. Layers that are generic over the request (timeouts, limits, load shedding)
//! still fit. [`Transmit`](crate::transmit::Transmit) is what takes it apart again.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
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
        Whole { pieces: Pieces },
        Stream { #[pin] body: B },
    }
}

/// A body in memory. One that came in a single piece is that piece; what came after the first is in pieces of our
/// own, so that a sender of tiny ones cannot make them many.
#[derive(Default)]
pub(crate) struct Pieces {
    first: Bytes,
    others: VecDeque<Bytes>,
    filling: BytesMut,
    len: usize,
}

/// What may stand between a layer that finishes requests and [`Transmit`](crate::transmit::Transmit): every
/// service for [`Outgoing`]. It exists to be named in a compiler's message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand between `SignRequest` or `AttachToken` and `Transmit`",
    label = "would see the request after it was finished",
    note = "only layers generic over the request fit here (timeout, limits); others go outside of what finishes it"
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
    pub(crate) fn whole(pieces: Pieces) -> Self {
        Self { kind: Kind::Whole { pieces } }
    }

    pub(crate) fn stream(body: B) -> Self {
        Self { kind: Kind::Stream { body } }
    }
}

impl Pieces {
    const SMALLEST: usize = 8 * 1024;
    /// Less than what an allocator asks the system for each time.
    const LARGEST: usize = 64 * 1024;

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, data: Bytes) {
        let is_first = self.len == 0;
        self.len += data.len();
        if is_first {
            self.first = data;
            return;
        }
        let mut rest = &data[..];
        while !rest.is_empty() {
            if self.filling.len() == self.filling.capacity() {
                let full = mem::take(&mut self.filling);
                let room = (2 * full.len()).clamp(Self::SMALLEST, Self::LARGEST);
                if !full.is_empty() {
                    self.others.push_back(full.freeze());
                }
                self.filling.reserve(room);
            }
            let room = self.filling.capacity() - self.filling.len();
            let (fitting, over) = rest.split_at(room.min(rest.len()));
            self.filling.extend_from_slice(fitting);
            rest = over;
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        if self.len == 0 {
            return None;
        }
        let piece = if !self.first.is_empty() {
            mem::take(&mut self.first)
        } else if let Some(piece) = self.others.pop_front() {
            piece
        } else {
            mem::take(&mut self.filling).freeze()
        };
        self.len -= piece.len();
        Some(piece)
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
            KindProjection::Whole { pieces } => {
                Poll::Ready(pieces.next().map(|piece| Ok(Frame::data(piece))))
            }
            KindProjection::Stream { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { pieces } => pieces.len() == 0,
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { pieces } => SizeHint::with_exact(u64::try_from(pieces.len()).unwrap_or(u64::MAX)),
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
