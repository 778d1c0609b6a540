//! Event streams, read as they come and passed on event by event.

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::{Bytes, BytesMut};
use countersign::BoxError;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use std::{convert::Infallible, future::Future, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// After how long somebody on the way may think that a stream is dead, and what says that it is not.
const QUIET: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b":\n\n";
/// How large one event may be.
const LARGEST: usize = 16 * 1024 * 1024;

/// The events of a body.
#[derive(Debug)]
pub(super) struct Events {
    body: Body,
    buffer: BytesMut,
    ended: bool,
}

/// One event, or comments between events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// As it came, with its end.
    text: Vec<u8>,
    /// What it says, if it says something.
    pub(super) data: Option<Vec<u8>>,
    /// Where a client that was cut off goes on.
    pub(super) id: Option<Vec<u8>>,
}

impl Events {
    pub(super) fn of(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), ended: false }
    }

    /// The next event; `None` after the last. An event that has no end is none.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, BoxError> {
        let mut event = Event::default();
        loop {
            while let Some(line) = self.line() {
                if event.takes(&line) {
                    return Ok(Some(event));
                }
                if event.text.len() > LARGEST {
                    return Err("an event is larger than 16 MiB".into());
                }
            }
            if self.buffer.len() > LARGEST {
                return Err("a line of an event is longer than 16 MiB".into());
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None if self.ended => return Ok(None),
                None => self.ended = true,
            }
        }
    }

    /// The next line with its end: CR, LF, or both.
    fn line(&mut self) -> Option<Bytes> {
        let end = self.buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let last = end + 1 == self.buffer.len();
        let length = match (self.buffer.get(end), self.buffer.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            // Its other half may be on its way.
            (Some(b'\r'), None) if last && !self.ended => return None,
            _ => end + 1,
        };
        Some(self.buffer.split_to(length).freeze())
    }
}

impl Event {
    /// An event that says this.
    pub(super) fn saying(data: &[u8]) -> Self {
        Self { text: Vec::new(), data: Some(data.to_vec()), id: None }
    }

    /// The same event with another text to say.
    pub(super) fn with_data(self, data: &[u8]) -> Self {
        Self { data: Some(data.to_vec()), text: self.kept(b"data"), id: self.id }
    }

    /// The same event with another place to go on from.
    pub(super) fn with_id(self, id: &str) -> Self {
        let mut text = format!("id: {id}\n").into_bytes();
        text.extend_from_slice(&self.kept(b"id"));
        Self { text, data: self.data, id: None }
    }

    /// As it is sent.
    pub(super) fn into_bytes(self) -> Bytes {
        if self.text.ends_with(b"\n\n") {
            return self.text.into();
        }
        let mut text = self.text;
        if self.data.is_some() && !has_field(&text, b"data") {
            for line in self.data.unwrap_or_default().split(|byte| matches!(byte, b'\r' | b'\n')) {
                text.extend_from_slice(b"data: ");
                text.extend_from_slice(line);
                text.push(b'\n');
            }
        }
        text.push(b'\n');
        text.into()
    }

    /// Whether the event is complete with this line.
    fn takes(&mut self, line: &[u8]) -> bool {
        let content = line.trim_ascii_end();
        let begins = self.text.is_empty();
        self.text.extend_from_slice(content_of(line));
        self.text.push(b'\n');
        if content.is_empty() && content_of(line).is_empty() {
            let empty = begins;
            if empty {
                self.text.clear();
            }
            return !empty;
        }
        if begins && line.starts_with(b":") {
            // A comment keeps the connection alive, and does not wait for an event to come.
            self.text.push(b'\n');
            return true;
        }
        match field(content_of(line)) {
            (b"data", value) => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            (b"id", value) => self.id = Some(value.to_vec()),
            _ => {}
        }
        false
    }

    /// The lines that are no such field, without the end of the event.
    fn kept(&self, name: &[u8]) -> Vec<u8> {
        let lines = self.text.split_inclusive(|byte| *byte == b'\n');
        let other = |line: &&[u8]| !line.trim_ascii().is_empty() && field(content_of(line)).0 != name;
        lines.filter(other).flatten().copied().collect()
    }
}

/// The events of `body`, each as `change` wants it; those that it does not want are left out.
pub(super) fn changed(
    body: Body,
    mut change: impl FnMut(Event) -> Option<Event> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    stream::try_unfold(
        (Events::of(body), move |event| change(event)),
        |(mut events, mut change)| async move {
            loop {
                let Some(event) = events.next().await? else { return Ok(None) };
                if let Some(event) = change(event) {
                    return Ok(Some((event.into_bytes(), (events, change))));
                }
            }
        },
    )
}

/// Says events to a client, for as long as that listens.
#[derive(Debug)]
pub(super) struct Mouth(mpsc::Sender<Bytes>);

impl Mouth {
    /// A body that is whatever `speak` says. It is done while the body is read, and ends with it.
    pub(super) fn speaking<F: Future<Output = ()> + Send + 'static>(speak: impl FnOnce(Self) -> F) -> Body {
        let (mouth, mut ear) = mpsc::channel(8);
        let speaking = speak(Self(mouth));
        let heard = stream::poll_fn(move |cx| ear.poll_recv(cx)).map(Some);
        let events = stream::select(heard, stream::once(speaking).map(|()| None));
        Body::from_stream(events.filter_map(async |event| event.map(Ok::<_, Infallible>)))
    }

    /// `None` where nobody listens any more.
    pub(super) async fn say(&self, event: Event) -> Option<()> {
        self.pass(event.into_bytes()).await
    }

    /// The same with events as they are written.
    pub(super) async fn pass(&self, events: Bytes) -> Option<()> {
        self.0.send(events).await.ok()
    }
}

/// A stream of events that nobody on the way holds back, or takes for dead. Each frame of `events` ends an event.
pub(super) fn streaming(events: Body) -> Response<Body> {
    let mut response = Response::new(kept_alive(events, QUIET));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The same, with a comment where nothing is said for a while.
fn kept_alive(events: Body, quiet: Duration) -> Body {
    let events = stream::unfold(events.into_data_stream(), move |mut events| async move {
        let said = match timeout(quiet, events.next()).await {
            Ok(said) => said?,
            Err(_) => Ok(Bytes::from_static(COMMENT)),
        };
        Some((said, events))
    });
    Body::from_stream(events.fuse())
}

fn content_of(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value);
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

fn has_field(text: &[u8], name: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| field(line).0 == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(chunks: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
    }

    async fn through(text: &str, size: usize, change: fn(Event) -> Option<Event>) -> String {
        let chunks = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let made: Vec<_> = changed(body(chunks), change).map(Result::unwrap).collect().await;
        String::from_utf8(made.concat()).unwrap()
    }

    const TEXT: &str =
        ": hello\n\nid: 1\nretry: 5\ndata: {\"a\":\ndata: 1}\n\nevent: message\ndata:x\n\ndata: cut";

    #[tokio::test]
    async fn events_pass_as_they_came_however_they_arrive() {
        let whole = TEXT.strip_suffix("data: cut").unwrap();
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(through(TEXT, size, Some).await, whole, "{size}");
            for ending in ["\r\n", "\r"] {
                assert_eq!(
                    through(&TEXT.replace('\n', ending), size, Some).await,
                    whole,
                    "{size} {ending:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_said_can_change_and_everything_else_stays() {
        let made = through(TEXT, 1000, |event| {
            Some(if event.data.is_some() { event.with_data(b"new\nlines") } else { event })
        });
        let expected = ": hello\n\nid: 1\nretry: 5\ndata: new\ndata: lines\n\nevent: message\ndata: new\ndata: lines\n\n";
        assert_eq!(made.await, expected);
        let made = through(TEXT, 1000, |event| event.id.is_some().then(|| event.with_id("a:1")));
        assert_eq!(made.await, "id: a:1\nretry: 5\ndata: {\"a\":\ndata: 1}\n\n");
    }

    #[tokio::test]
    async fn a_stream_that_says_nothing_for_a_while_says_that_it_is_alive() {
        let (say, mut said) = mpsc::channel::<Bytes>(1);
        let told = stream::poll_fn(move |cx| said.poll_recv(cx)).map(Ok::<_, Infallible>);
        let mut heard = kept_alive(Body::from_stream(told), Duration::from_millis(1)).into_data_stream();
        for event in ["data: 0\n\n", "data: 1\n\n"] {
            assert_eq!(heard.next().await.unwrap().unwrap(), COMMENT);
            say.send(event.into()).await.unwrap();
            let mut next = heard.next().await.unwrap().unwrap();
            while next == COMMENT {
                next = heard.next().await.unwrap().unwrap();
            }
            assert_eq!(next, event);
        }
        drop(say);
        assert!(heard.all(async |left| left.unwrap() == COMMENT).await, "it ends with what it is made of");
    }

    #[tokio::test]
    async fn a_line_that_never_ends_ends_the_stream() {
        let chunks = (0..20).map(|_| vec![b'x'; 1024 * 1024]).collect();
        let mut events = changed(body(chunks), Some).boxed();
        assert!(events.next().await.unwrap().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut events = Events::of(body(chunks));
                while let Some(event) = events.next().await.unwrap() {
                    let _ = event.with_data(b"x").with_id("y").into_bytes();
                }
            });
        }
    }
}
