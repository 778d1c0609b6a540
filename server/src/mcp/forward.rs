//! One request to one backend, and its answer back.

use super::{
    cancel::{Cancelled, Left},
    catalog::Kind,
    era::SUPPORTED,
    error::{Refusal, Refused, answer, json},
    flights::{About, Flight, Flights},
    hello::Hellos,
    message::Message,
    names::{VERSION, forwarded, params},
    overridden::{Unfit, add_arguments},
    peer::{Peer, Request, Said},
    route::Target,
    session::Session,
    sse::{Event, changed, streaming},
    talk::{MODERN, Speech, Talk, Way, modern_headers},
    wire::{Edits, quoted},
    words::Words,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode},
};
use countersign::proof::Tool;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, sync::Arc};

/// A request of a client's for one backend.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) body: &'a [u8],
    pub(super) id: &'a RawValue,
    pub(super) target: Target<'a>,
    /// The tool that is called, if one is.
    pub(super) tool: Option<Tool>,
    /// Its arguments that travel as headers too, where the client cannot send those.
    pub(super) params: HeaderMap,
    /// Arguments that the operator adds, as members of an object.
    pub(super) added: String,
    /// Whether the client knows the tool by a search alone, and so sends no headers for its arguments.
    pub(super) was_found: bool,
}

impl Talk<'_> {
    /// Sends it, and answers with what the backend says.
    pub(super) async fn forward(&self, mut asked: Asked<'_>) -> Result<Response<Body>, Refused> {
        let peer = self.hub.peer(asked.target.place)?;
        if asked.method() == "tools/call" {
            let name = asked.target.subject.as_deref().unwrap_or_default();
            let (tool, added) = Box::pin(self.about_to_call(peer, name, asked.message)).await?;
            asked.tool = Some(tool);
            asked.added = match added {
                Ok(added) => added,
                Err(unfit) => return Ok(self.told_unfit(asked.id, &unfit)),
            };
        } else if let Some(theirs) = &asked.target.subject {
            Box::pin(self.permit_use(peer, asked.message, theirs)).await?;
        }
        if let Speech::Legacy(session) = &self.speech
            && asked.method() == "resources/subscribe"
            && session.lines.watch_enough()
        {
            return Err(Refusal::watches_enough().into());
        }
        let mut way = self.way(peer).await?;
        if let (Way::Stateless, Speech::Legacy(session), true) =
            (&way, &self.speech, asked.is_about_watching())
        {
            // Where there are no sessions, what is watched is said by whoever listens.
            self.note(session, &asked);
            return Ok(answer(asked.id, "{}"));
        }
        if let Way::Stateless = way {
            asked.params = self.arguments_as_headers(peer, &asked).await?;
            // Whoever had to ask for that may know of another way since.
            way = self.way(peer).await?;
        }
        let refused = match self.send(peer, &way, &asked).await {
            Err(refused) if matches!(way, Way::Stateless) => refused,
            said => return said,
        };
        if refused.is_about_headers() && (self.sends_headers_for(&asked) || !asked.added.is_empty()) {
            // The schema has changed, most likely.
            self.hub.catalogues.forget(peer.place, Kind::Tools);
            self.list(peer, Kind::Tools).await?;
            asked.params = self.arguments_as_headers(peer, &asked).await?;
            return self.send(peer, &way, &asked).await;
        }
        let way = self.other_way(peer, refused).await?;
        self.send(peer, &way, &asked).await
    }

    /// The state of the call that a request goes on with, where it was us who parked that.
    fn continues<'a>(&self, way: &Way, asked: &Asked<'a>) -> Option<&'a RawValue> {
        let state = asked.message.params.request_state;
        state.filter(|_| matches!(way, Way::Line(_)) && self.speech.is_modern())
    }

    /// Whether the client knows nothing of headers for arguments.
    fn sends_headers_for(&self, asked: &Asked<'_>) -> bool {
        asked.tool.is_some() && (asked.was_found || !self.speech.is_modern())
    }

    /// The headers for arguments that the client does not send: all of them, or only the operator's.
    async fn arguments_as_headers(&self, peer: &Peer, asked: &Asked<'_>) -> Result<HeaderMap, Refused> {
        let sends_all = self.sends_headers_for(asked);
        if !sends_all && asked.added.is_empty() {
            return Ok(HeaderMap::new());
        }
        let name = asked.target.subject.as_deref().unwrap_or_default();
        let in_headers = Box::pin(self.effects(peer, name)).await?.unwrap_or_default().in_headers;
        let given = asked.message.params.arguments.filter(|_| sends_all);
        let mut headers = in_headers.headers(given);
        let added = RawValue::from_string(format!("{{{}}}", asked.added)).ok();
        for (name, value) in &in_headers.headers(added.as_deref()) {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    /// A tool's answer to arguments that it cannot have: one that whoever chose them reads.
    fn told_unfit(&self, id: &RawValue, unfit: &Unfit) -> Response<Body> {
        let text = match unfit {
            Unfit::Fixed(name) => {
                format!("The argument `{name}` is set by the operator of this gateway. Leave it out.")
            }
            Unfit::NoObject => "`arguments` has to be an object.".to_owned(),
        };
        let complete = if self.speech.is_modern() { r#","resultType":"complete""# } else { "" };
        let text = quoted(&text);
        answer(id, &format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":true{complete}}}"#))
    }

    async fn send(&self, peer: &Peer, way: &Way, asked: &Asked<'_>) -> Result<Response<Body>, Refused> {
        if asked.message.is_about_a_task() && self.speech.is_modern() != matches!(way, Way::Stateless) {
            // The eras have tasks of their own, and nobody knows of the other's.
            return Err(self.unknown(asked.method()));
        }
        if let Some(state) = self.continues(way, asked) {
            return self.go_on(asked, state).await;
        }
        match (way, &self.speech) {
            (Way::Stateless, speech) => {
                let flights = Arc::default();
                let request = self.stateless(peer, &flights, asked, "");
                let words = Words::of(self, peer, flights, false).calling(&self.renamed(asked));
                match speech {
                    Speech::Modern { .. } => {
                        self.answered(peer, peer.post(self.caller, request).await?, words)
                    }
                    Speech::Legacy(session) => {
                        let mut cancelled = Cancelled::of(session, asked.id.get());
                        let said = tokio::select! {
                            said = peer.post(self.caller, request) => said?,
                            // Nobody waits for an answer.
                            () = cancelled.told() => return Ok(streaming(Body::empty())),
                        };
                        self.in_rounds(peer, said, session, asked, words, cancelled)
                    }
                }
            }
            (Way::Line(session), Speech::Modern { .. }) if asked.method() == "server/discover" => {
                let hello = session.line(peer, self.caller).await?.hello.clone();
                let hellos = Hellos::of(vec![(peer, Ok(hello))])?;
                Ok(answer(asked.id, &hellos.into_discover(&SUPPORTED)))
            }
            (Way::Line(_), Speech::Modern { .. }) if asked.method() == "subscriptions/listen" => {
                Box::pin(self.subscribe(asked.message, asked.id)).await
            }
            (Way::Line(session), speech) => {
                self.note(session, asked);
                let (edits, fresh) = self.said_to(peer, &session.flights, asked, true);
                let left = speech.is_modern().then(|| Left::on(self, peer, session, fresh));
                let said = session.post(peer, self.caller, asked.tool.clone(), edits.done()).await;
                let said = match said {
                    Ok(said) => said,
                    Err(refused) => {
                        left.into_iter().for_each(Left::answered);
                        session.flights.land(&fresh.to_string());
                        return Err(refused);
                    }
                };
                match (said, left) {
                    (Said::Events(body), Some(left)) => {
                        Ok(self.until_asked(peer, session, left, fresh, body, asked))
                    }
                    (said, left) => {
                        left.into_iter().for_each(Left::answered);
                        let words = Words::of(self, peer, session.flights.clone(), true);
                        self.answered(peer, said, words.calling(&self.renamed(asked)))
                    }
                }
            }
        }
    }

    /// The request for a backend that keeps no session, with `more` parameters.
    pub(super) fn stateless(
        &self,
        peer: &Peer,
        flights: &Arc<Flights>,
        asked: &Asked<'_>,
        more: &str,
    ) -> Request {
        let (mut edits, _) = self.said_to(peer, flights, asked, false);
        match &self.speech {
            Speech::Modern { .. } => {}
            Speech::Legacy(_) => self.introduce(&mut edits, asked, more),
        }
        Request { tool: asked.tool.clone(), ..Request::posting(self.stateless_headers(asked), edits.done()) }
    }

    /// The message in the backend's words, under a fresh id.
    fn said_to<'a>(
        &self,
        peer: &Peer,
        flights: &Arc<Flights>,
        asked: &Asked<'a>,
        on_line: bool,
    ) -> (Edits<'a>, u64) {
        let Asked { message, body, id, target, added, .. } = asked;
        let token = message.params.meta.as_ref().and_then(|meta| meta.token);
        let fresh = flights.start(Flight {
            peer: peer.place,
            id: id.get().to_owned(),
            token: token.map(|token| token.get().to_owned()),
            about: About::of(message),
        });
        let mut edits = Edits::of(body);
        edits.replace(id.get(), fresh.to_string());
        match (&message.params.meta, token) {
            (Some(meta), _) if on_line && self.speech.is_modern() => {
                edits.replace(meta.written, without_introduction(meta.written, fresh));
            }
            (_, Some(token)) => edits.replace(token.get(), fresh.to_string()),
            (_, None) => {}
        }
        let declared = message.params.meta.as_ref().and_then(|meta| meta.capabilities);
        if let (Speech::Modern { capabilities, .. }, Some(declared), false) =
            (&self.speech, declared, on_line)
        {
            edits.replace(declared.get(), capabilities.get());
        }
        if let (Some(written), Some(subject)) = (target.written, &target.subject) {
            edits.replace(written, quoted(subject));
        }
        if !added.is_empty() {
            add_arguments(&mut edits, message, added);
        }
        (edits, fresh)
    }

    /// What the client calls the resource that it reads, where the backend calls it something else.
    pub(super) fn renamed(&self, asked: &Asked<'_>) -> Vec<(String, String)> {
        let reads = asked.method() == "resources/read";
        let ours = asked.message.params.uri.as_ref().map(|uri| uri.value.clone());
        let theirs = asked.target.subject.clone();
        let both = ours.zip(theirs).filter(|(ours, theirs)| reads && ours != theirs);
        both.into_iter().collect()
    }

    /// Says in the message itself what a session would know.
    fn introduce(&self, edits: &mut Edits<'_>, asked: &Asked<'_>, more: &str) {
        let Asked { message, body, .. } = asked;
        let meta = self.speech.as_meta();
        let comma = if more.is_empty() { "" } else { "," };
        match (message.params.meta.as_ref().map(|meta| meta.written), message.written) {
            (Some(written), params) => {
                edits.add_members(written, &meta);
                if let Some(params) = params.filter(|_| !more.is_empty()) {
                    edits.add_members(params.get(), more);
                }
            }
            (None, Some(params)) => {
                edits.add_members(params.get(), &format!("\"_meta\":{{{meta}}}{comma}{more}"));
            }
            (None, None) => {
                let object = std::str::from_utf8(body).unwrap_or_default().trim_start();
                edits.add_members(object, &format!("\"params\":{{\"_meta\":{{{meta}}}{comma}{more}}}"));
            }
        }
    }

    fn stateless_headers(&self, asked: &Asked<'_>) -> HeaderMap {
        let method = asked.method();
        let mut headers = match &self.speech {
            // What the client says of the message is still so.
            Speech::Modern { .. } if asked.target.written.is_none() => forwarded(self.caller.headers),
            Speech::Modern { .. } | Speech::Legacy(_) => {
                let is_named = asked.message.subject().is_some() || asked.message.is_about_a_task();
                let subject = asked.target.subject.as_deref().filter(|_| is_named);
                let mut headers = modern_headers(method, subject);
                headers.extend(params(self.caller.headers));
                // What is in the arguments counts, whatever the client says that there is.
                for (name, value) in &asked.params {
                    headers.insert(name, value.clone());
                }
                headers
            }
        };
        headers.insert(VERSION, HeaderValue::from_static(MODERN));
        headers
    }

    /// Remembers what has to be said again to a backend that forgets.
    fn note(&self, session: &Session, asked: &Asked<'_>) {
        let Some(ours) = asked.message.params.uri.as_ref().map(|uri| uri.value.as_str()) else { return };
        let theirs = asked.target.subject.as_deref().unwrap_or(ours);
        match asked.method() {
            "resources/subscribe" => session.lines.watch(asked.target.place, theirs, ours),
            "resources/unsubscribe" => session.lines.stop_watching(asked.target.place, theirs),
            _ => {}
        }
    }

    /// What a backend says, in the client's words.
    pub(super) fn answered(&self, peer: &Peer, said: Said, words: Words) -> Result<Response<Body>, Refused> {
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
    fn is_about_watching(&self) -> bool {
        ["resources/subscribe", "resources/unsubscribe"].contains(&self.method())
    }

    fn method(&self) -> &str {
        self.message.method.as_deref().unwrap_or_default()
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

/// What a request says of itself beside what a session knows already; a progress token is a fresh one.
fn without_introduction(meta: &str, fresh: u64) -> String {
    const KNOWN: [&str; 4] = ["protocolVersion", "clientCapabilities", "clientInfo", "logLevel"];
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(meta).unwrap_or_default();
    let is_known =
        |name: &str| name.strip_prefix("io.modelcontextprotocol/").is_some_and(|name| KNOWN.contains(&name));
    let kept = members.into_iter().filter(|(name, _)| !is_known(name)).map(|(name, value)| {
        let value = if name == "progressToken" { fresh.to_string() } else { value.get().to_owned() };
        format!("{}:{value}", quoted(&name))
    });
    format!("{{{}}}", kept.collect::<Vec<_>>().join(","))
}
