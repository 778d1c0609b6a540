use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// An answer's body, of which the beginning may have been looked into. It is handed on whole.
    pub struct Examined<R> {
        before: VecDeque<Frame<Bytes>>,
        length: u64,
        #[pin]
        rest: R,
    }
}

impl<R> Examined<R> {
    pub(super) fn new(rest: R) -> Self {
        Self { before: VecDeque::new(), length: 0, rest }
    }
}

impl<R: Body<Data = Bytes>> Examined<R> {
    /// Reads on until so many bytes are there, or all are.
    pub(super) fn poll_beginning(
        self: Pin<&mut Self>,
        most: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), R::Error>> {
        let mut this = self.project();
        while *this.length < most && !this.rest.is_end_stream() {
            let Some(frame) = ready!(this.rest.as_mut().poll_frame(cx)) else { break };
            let frame = frame?;
            let length = frame.data_ref().map_or(0, Bytes::len);
            *this.length += u64::try_from(length).unwrap_or(u64::MAX);
            this.before.push_back(frame);
        }
        Poll::Ready(Ok(()))
    }

    /// What was read.
    pub(super) fn beginning(&self) -> Vec<u8> {
        self.before.iter().filter_map(Frame::data_ref).flatten().copied().collect()
    }
}

impl<R: Body<Data = Bytes>> Body for Examined<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let this = self.project();
        match this.before.pop_front() {
            Some(frame) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                *this.length -= u64::try_from(length).unwrap_or(0);
                Poll::Ready(Some(Ok(frame)))
            }
            None => this.rest.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(self.length));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(self.length)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<R> fmt::Debug for Examined<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examined").field("kept", &self.length).finish_non_exhaustive()
    }
}
