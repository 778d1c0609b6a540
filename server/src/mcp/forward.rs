//! One request to one backend, and its answer back.

use super::{
    error::{Refusal, Refused, json},
    flights::{Flight, Flights},
    message::Message,
    names::{VERSION, forwarded, params},
    peer::{Peer, Request, Said},
    route::Target,
    session::Session,
    sse::{Event, changed},
    talk::{MODERN, Speech, Talk, Way, modern_headers},
    wire::{Edits, quoted},
    words::Words,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A request of a client's for one backend.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) body: &'a [u8],
    pub(super) id: &'a RawValue,
    pub(super) target: Target<'a>,
}

impl Talk<'_> {
    /// Sends it, and answers with what the backend says.
    pub(super) async fn forward(&self, asked: &Asked<'_>) -> Result<Response<Body>, Refused> {
        let peer = self.hub.peer(asked.target.place)?;
        let way = self.way(peer).await?;
        let said = match self.send(peer, &way, asked).await {
            Ok(said) => said,
            Err(refused) if matches!(way, Way::Stateless) => {
                let way = self.other_way(peer, refused).await?;
                self.send(peer, &way, asked).await?
            }
            Err(refused) => return Err(refused),
        };
        Ok(said)
    }

    async fn send(&self, peer: &Peer, way: &Way, asked: &Asked<'_>) -> Result<Response<Body>, Refused> {
        match way {
            Way::Stateless => {
                let flights = Arc::default();
                let (body, _) = self.said_to(peer, &flights, asked, false);
                let request = Request {
                    tool: asked.tool(),
                    ..Request::posting(self.stateless_headers(asked), body)
                };
                let said = peer.post(self.caller, request).await?;
                self.answered(peer, said, Words::of(self, peer, flights, false))
            }
            Way::Line(session) => {
                self.note(session, asked);
                let (body, fresh) = self.said_to(peer, &session.flights, asked, true);
                let said = session.post(peer, self.caller, asked.tool(), body).await;
                let said = said.inspect_err(|_| {
                    session.flights.land(&fresh.to_string());
                })?;
                self.answered(peer, said, Words::of(self, peer, session.flights.clone(), true))
            }
        }
    }

    /// The message in the backend's words, under a fresh id.
    fn said_to(&self, peer: &Peer, flights: &Arc<Flights>, asked: &Asked<'_>, on_line: bool) -> (Bytes, u64) {
        let Asked { message, body, id, target } = asked;
        let token = message.params.meta.as_ref().and_then(|meta| meta.token);
        let fresh = flights.start(Flight {
            peer: peer.place,
            id: id.get().to_owned(),
            token: token.map(|token| token.get().to_owned()),
        });
        let mut edits = Edits::of(body);
        edits.replace(id.get(), fresh.to_string());
        if let Some(token) = token {
            edits.replace(token.get(), fresh.to_string());
        }
        if let (Some(written), Some(subject)) = (target.written, &target.subject) {
            edits.replace(written, quoted(subject));
        }
        if !on_line && !self.speech.is_modern() {
            self.introduce(&mut edits, message, body);
        }
        (edits.done(), fresh)
    }

    /// Says in the message itself what a session would know.
    fn introduce(&self, edits: &mut Edits<'_>, message: &Message<'_>, body: &[u8]) {
        let meta = self.speech.as_meta();
        let meta_there = message.params.meta.as_ref().map(|meta| meta.written);
        match (meta_there, message.written) {
            (Some(written), _) => edits.add_members(written, &meta),
            (None, Some(written)) => edits.add_members(written.get(), &format!("\"_meta\":{{{meta}}}")),
            (None, None) => {
                let text = std::str::from_utf8(body).unwrap_or_default();
                let object = text.trim_start();
                edits.add_members(object, &format!("\"params\":{{\"_meta\":{{{meta}}}}}"));
            }
        }
    }

    fn stateless_headers(&self, asked: &Asked<'_>) -> HeaderMap {
        let method = asked.message.method.as_deref().unwrap_or_default();
        let mut headers = match &self.speech {
            // What the client says of the message is still so.
            Speech::Modern { .. } if asked.target.written.is_none() => forwarded(self.caller.headers),
            Speech::Modern { .. } | Speech::Legacy(_) => {
                let subject = asked.message.subject().and(asked.target.subject.as_deref());
                let mut headers = modern_headers(method, subject);
                headers.extend(params(self.caller.headers));
                headers
            }
        };
        headers.insert(VERSION, HeaderValue::from_static(MODERN));
        headers
    }

    /// Remembers what has to be said again to a backend that forgets.
    fn note(&self, session: &Session, asked: &Asked<'_>) {
        let uri = asked.target.subject.as_deref().or(asked.message.params.uri.as_ref().map(|uri| uri.value.as_str()));
        match (asked.message.method.as_deref(), uri) {
            (Some("resources/subscribe"), Some(uri)) => session.lines.watch(asked.target.place, uri),
            (Some("resources/unsubscribe"), Some(uri)) => session.lines.stop_watching(asked.target.place, uri),
            _ => {}
        }
    }

    fn answered(&self, peer: &Peer, said: Said, words: Words) -> Result<Response<Body>, Refused> {
        match said {
            Said::Nothing => Err(Refusal::backend(peer.name(), "did not answer what it was asked").into()),
            Said::Message(text) => match words.message(&text) {
                Some(text) => Ok(json(StatusCode::OK, text)),
                None => Err(Refusal::backend(peer.name(), "answered something that nobody asked").into()),
            },
            Said::Events(body) => {
                Ok(streaming(Body::from_stream(changed(body, move |event| words.event(event)))))
            }
        }
    }
}

impl Asked<'_> {
    /// What the backend calls the tool that is called, if one is.
    fn tool(&self) -> Option<String> {
        let calls = self.message.method.as_deref() == Some("tools/call");
        self.target.subject.clone().filter(|_| calls)
    }
}

impl Words {
    /// An event in the client's words; `None` where it is none of its business.
    pub(super) fn event(&self, event: Event) -> Option<Event> {
        let event = match &event.data {
            // Empty ones tell a client where to go on.
            Some(data) if !data.is_empty() => {
                let data = self.message(data)?;
                if event.data.as_deref() == Some(&*data) { event } else { event.with_data(&data) }
            }
            _ => event,
        };
        match event.id.as_ref().map(|id| String::from_utf8_lossy(id).into_owned()) {
            Some(id) if !id.is_empty() => Some(event.with_id(&self.event_id(&id))),
            _ => Some(event),
        }
    }
}

/// A stream that nobody on the way holds back.
pub(super) fn streaming(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
