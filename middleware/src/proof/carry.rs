use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A body together with the proof of what earlier layers established.
    ///
    /// It is a [`Body`] itself, so layers that only pass bodies on need not know of it.
    #[derive(Clone, Debug)]
    pub struct Carry<P, B> {
        proof: P,
        #[pin]
        body: B,
    }
}

impl<P, B> Carry<P, B> {
    pub(crate) fn new(proof: P, body: B) -> Self {
        Self { proof, body }
    }

    /// What has been established so far.
    pub fn proof(&self) -> &P {
        &self.proof
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// Another body under the same proof.
    ///
    /// ```
    /// use countersign::proof::Carry;
    /// use http::Request;
    /// use http_body_util::{BodyExt, Limited};
    ///
    /// fn limited<P, B>(request: Request<Carry<P, B>>) -> Request<Carry<P, Limited<B>>> {
    ///     request.map(|carry| carry.map_body(|body| Limited::new(body, 1024)))
    /// }
    /// ```
    pub fn map_body<T>(self, change: impl FnOnce(B) -> T) -> Carry<P, T> {
        Carry { proof: self.proof, body: change(self.body) }
    }

    /// Takes both apart. There is no way back: a proof is not put onto another body, except by [`map_body`](Self::map_body).
    pub fn into_parts(self) -> (P, B) {
        (self.proof, self.body)
    }
}

impl<P, B> Body for Carry<P, B>
where
    B: Body,
    B::Data: Buf,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
