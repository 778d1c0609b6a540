//! What a process says, as answers of Streamable HTTP.

use super::{
    board::{Ear, Said, What},
    process::Process,
};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{convert::Infallible, sync::Arc};

/// A request that somebody waits for. Where that one goes away, whoever works on it may be told.
#[derive(Debug)]
pub(super) struct Waiting {
    process: Arc<Process>,
    id: String,
    ear: Ear,
    is_cancelled_with_it: bool,
}

/// Without state, the answer has the status that it would have there; in a session it is always 200.
const NOT_FOUND: i64 = -32601;
const BAD_REQUESTS: [i64; 3] = [-32020, -32021, -32022];

impl Waiting {
    /// Sends a request; `None` where nobody reads it.
    pub(super) fn on(process: &Arc<Process>, id: &str, method: &str, message: &[u8]) -> Option<Self> {
        let ear = process.ask(id, method, message)?;
        Some(Self { process: process.clone(), id: id.to_owned(), ear, is_cancelled_with_it: false })
    }

    /// The same, of which the process is told when nobody waits any more.
    pub(super) fn cancelled_when_left(mut self) -> Self {
        self.is_cancelled_with_it = true;
        self
    }

    /// The next message about it.
    pub(super) async fn hear(&mut self) -> Option<Said> {
        self.ear.hear().await
    }

    /// The answer, or a stream of everything that comes before it.
    pub(super) async fn respond(mut self) -> Response<Body> {
        let stateless = self.is_cancelled_with_it;
        match self.hear().await {
            Some(said) if said.what.is_last() => {
                let status = match said.what {
                    What::Error(NOT_FOUND) if stateless => StatusCode::NOT_FOUND,
                    What::Error(code) if stateless && BAD_REQUESTS.contains(&code) => StatusCode::BAD_REQUEST,
                    What::Error(_) | What::Notice | What::Result | What::Ended => StatusCode::OK,
                };
                message(status, said.text)
            }
            first => {
                let first_of = first.map(|said| event(&said.text));
                let rest = stream::unfold(Some(self), |waiting| async move {
                    let mut waiting = waiting?;
                    let Said { text, what } = waiting.hear().await?;
                    Some((event(&text), (!what.is_last()).then_some(waiting)))
                });
                let rest = stream::iter(first_of).chain(rest).map(Ok::<_, Infallible>);
                with(StatusCode::OK, "text/event-stream", Body::from_stream(rest.fuse()))
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.process.leave(&self.id) && self.is_cancelled_with_it {
            let cancelled = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
                self.id
            );
            // Where it has ended, so has the request.
            let _ = self.process.say(cancelled.as_bytes());
        }
    }
}

/// A stream of everything that is said, until nothing is.
pub(super) fn everything(ear: Ear) -> Response<Body> {
    let events = stream::unfold(ear, |mut ear| async move {
        let said = ear.hear().await?;
        Some((Ok::<_, Infallible>(event(&said.text)), ear))
    });
    with(StatusCode::OK, "text/event-stream", Body::from_stream(events.fuse()))
}

/// A message alone.
pub(super) fn message(status: StatusCode, text: Bytes) -> Response<Body> {
    with(status, "application/json", text.into())
}

/// A status that says everything, or says why in a few words.
pub(super) fn status(status: StatusCode, why: &'static str) -> Response<Body> {
    with(status, "text/plain", why.into())
}

fn with(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn event(text: &[u8]) -> Bytes {
    [b"data: ", text, b"\n\n"].concat().into()
}
