//! Several messages at once, which 2025-03-26 alone lets clients send: each is what it would be alone, and all answers
//! come in one stream, in the order in which they are ready.

use super::{
    connect::{self, Connect},
    era::Era,
    error::{Refusal, Refused, empty},
    message::Message,
    sse::{Event, Events, Mouth, streaming},
    talk::{Lasting, Talk},
};
use axum::{
    body::Body,
    http::{Response, StatusCode, header},
};
use bytes::Bytes;
use countersign::Kind;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use serde_json::value::RawValue;

/// The version that has them.
pub(super) const VERSION: &str = "2025-03-26";
/// How many messages may be in one.
const MOST: usize = 50;

/// Whether a body is meant as one.
pub(super) fn is_one(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"[")
}

/// Its messages, each as it was written.
pub(super) fn read(body: &Bytes) -> Result<Vec<Bytes>, Refusal> {
    let written: Vec<&RawValue> = serde_json::from_slice(body).map_err(|_| Refusal::parse_error())?;
    if written.is_empty() || written.len() > MOST {
        return Err(Refusal::invalid_request("a batch has between 1 and 50 messages"));
    }
    let messages: Vec<Bytes> = written.iter().map(|text| body.slice_ref(text.get().as_bytes())).collect();
    for text in &messages {
        let message = Message::parse(text)?;
        if message.method.as_deref() == Some("initialize") {
            return Err(Refusal::invalid_request("`initialize` is sent alone").answering(message.id));
        }
    }
    Ok(messages)
}

impl Talk<'_> {
    /// What all of them come to; nothing, where none is a request.
    pub(super) async fn answer_all(&self, messages: Vec<Bytes>, connect: &Connect) -> Response<Body> {
        let asks = |text: &Bytes| Message::parse(text).is_ok_and(|message| message.id.is_some());
        if !messages.iter().any(asks) {
            let mut accepted = empty(StatusCode::ACCEPTED);
            for text in &messages {
                accepted = alone(self, text, connect).await.unwrap_or(accepted);
            }
            return accepted;
        }
        let (lasting, connect) = (self.lasting(), connect.clone());
        streaming(Mouth::speaking(async move |mouth| {
            join_all(messages.iter().map(|text| tell(&lasting, text, &connect, &mouth))).await;
        }))
    }
}

async fn tell(lasting: &Lasting, text: &Bytes, connect: &Connect, mouth: &Mouth) -> Option<()> {
    let talk = lasting.talk();
    let (parts, body) = alone(&talk, text, connect).await?.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        let mut events = Events::of(body);
        while let Ok(Some(event)) = events.next().await {
            mouth.say(event).await?;
        }
        return Some(());
    }
    let text = body.collect().await.ok()?.to_bytes();
    if text.is_empty() { None } else { mouth.say(Event::saying(&text)).await }
}

/// What one of them comes to; `None` where that is nothing.
async fn alone(talk: &Talk<'_>, text: &Bytes, connect: &Connect) -> Option<Response<Body>> {
    let message = Message::parse(text).ok()?;
    let (method, id) = (message.method.as_deref(), message.id);
    let shows_pages = connect::shows_pages(talk.speech.capabilities());
    let asked = connect::Asked { era: Era::Legacy, method, id, caller: talk.caller.who, shows_pages };
    let answered = match Box::pin(talk.answer(&message, text)).await {
        // HTTP has said its part already.
        Err(Refused::Token(error)) if error.kind() == Kind::InsufficientScope => {
            let what = format!("your token lacks scopes; get one with `{}`", error.scopes().join(" "));
            Ok(Refusal::invalid_request(&what).answering(id).into_response())
        }
        Err(Refused::Token(_)) => {
            let refusal = Refusal::invalid_request("your token is over; sign in again");
            Ok(refusal.answering(id).into_response())
        }
        answered => answered.or_else(|refused| refused.into_response(id)),
    };
    let answered = connect.lead(answered.ok()?, asked);
    (id.is_some() || !answered.status().is_success()).then_some(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_its_messages_as_they_were_written() {
        let body = Bytes::from(
            " [ {\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"a\"},\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}]",
        );
        assert!(is_one(&body) && !is_one(b"{}"));
        let messages = read(&body).unwrap();
        assert_eq!(messages[0], "{\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"a\"}");
        assert_eq!(messages[1], "{\"jsonrpc\":\"2.0\",\"method\":\"b\"}");
        let many = |count: usize| {
            let one = r#"{"jsonrpc":"2.0","method":"b"}"#;
            Bytes::from(format!("[{}]", vec![one; count].join(",")))
        };
        assert_eq!(read(&many(50)).unwrap().len(), 50);
        let hello = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#;
        for (body, code) in [
            (many(0), -32600),
            (many(51), -32600),
            (Bytes::from("[1]"), -32600),
            (Bytes::from("[{}]"), -32600),
            (Bytes::from("["), -32700),
            (Bytes::from(hello), -32600),
        ] {
            assert_eq!(read(&body).unwrap_err().code(), code, "{body:?}");
        }
    }
}
