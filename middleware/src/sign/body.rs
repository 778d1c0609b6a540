//! Reads a body to its end, and hashes it while it arrives.

use super::payload::{PayloadHash, PayloadHasher};
use crate::{
    error::{BoxError, Error, Kind},
    outgoing::Pieces,
};
use bytes::Bytes;
use http_body::Body;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What was read so far: after the last byte there is hardly anything left to do.
#[derive(Default)]
pub(super) struct Reading {
    pieces: Pieces,
    hash: PayloadHasher,
}

impl Reading {
    /// Reads on. What came is handed out once, when the body is at its end.
    pub(super) fn poll_end<B>(
        &mut self,
        mut body: Pin<&mut B>,
        limit: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Pieces, PayloadHash), BoxError>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        // A body that says beforehand that it is too large need not be read.
        if usize::try_from(body.size_hint().lower())
            .map_or(usize::MAX, |more| self.pieces.len().saturating_add(more))
            > limit
        {
            return Poll::Ready(Err(too_large().into()));
        }
        while !body.is_end_stream() {
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else { break };
            let data = frame
                .map_err(Into::into)?
                .into_data()
                .map_err(|_| Error::new(Kind::Unsignable, "a signed payload cannot have trailers"))?;
            if self.pieces.len() + data.len() > limit {
                return Poll::Ready(Err(too_large().into()));
            }
            self.hash.update(&data);
            self.pieces.push(data);
        }
        let Self { pieces, hash } = mem::take(self);
        Poll::Ready(Ok((pieces, hash.finish())))
    }
}

fn too_large() -> Error {
    Error::new(Kind::BodyTooLarge, "the body is too large to be signed")
}
