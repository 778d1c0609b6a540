//! What a backend says, in the words of the client that hears it.

use super::{
    catalog::{Catalogues, Kind},
    error::Refused,
    flights::{About, Flights},
    links::Links,
    peer::Peer,
    session::{Session, place},
    talk::{Speech, Talk},
    tasks::{Owned, Said},
    wire::{Edits, Heard, quoted},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Knows which ids, tokens and names of a backend's messages are which of the client's.
#[derive(Debug)]
pub(super) struct Words {
    backend: String,
    place: usize,
    flights: Arc<Flights>,
    catalogues: Arc<Catalogues>,
    transparent: bool,
    client_is_modern: bool,
    on_line: bool,
    named: Named,
    /// Which replica hears answers.
    me: Arc<str>,
    /// What the client calls tasks, where not as the backend does.
    tasks: Option<Owned>,
    links: Option<Links>,
}

/// Who knows what the client calls a resource.
#[derive(Debug)]
enum Named {
    /// The session in which it is watched.
    In(Arc<Session>),
    /// These are, by what the client calls them, and what the backend does.
    As(Vec<(String, String)>),
}

/// What a result of the versions with sessions lacks.
const AS_MODERN: &str = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;

#[derive(Default, Deserialize)]
struct Told<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: Option<&'a RawValue>,
}

impl Words {
    /// For what `peer` says to the client of `talk`, on a line or not.
    pub(super) fn of(talk: &Talk<'_>, peer: &Peer, flights: Arc<Flights>, on_line: bool) -> Self {
        Self {
            backend: peer.name().to_owned(),
            place: peer.place,
            flights,
            catalogues: talk.hub.catalogues.clone(),
            transparent: talk.hub.is_transparent(),
            client_is_modern: talk.speech.is_modern(),
            on_line,
            named: match &talk.speech {
                Speech::Legacy(session) => Named::In(session.clone()),
                Speech::Modern { .. } => Named::As(Vec::new()),
            },
            me: talk.hub.replicas.me().clone(),
            tasks: (!talk.hub.is_transparent())
                .then(|| talk.hub.tasks.of(place(talk.caller.who.identity()), peer.name())),
            links: Links::of(talk, peer.place),
        }
    }

    /// The same, where the client calls resources otherwise: `ours` and `theirs`.
    pub(super) fn calling(self, resources: &[(String, String)]) -> Self {
        if resources.is_empty() { self } else { Self { named: Named::As(resources.to_vec()), ..self } }
    }

    /// The message in the client's words; `None` where it is none of its business.
    pub(super) fn message(&self, text: &[u8]) -> Option<Bytes> {
        let Some(heard) = Heard::parse(text) else {
            tracing::warn!(backend = self.backend, "said something that is no message");
            return None;
        };
        let mut edits = Edits::of(text);
        match (&heard.method, heard.id) {
            (None, Some(id)) => {
                let Some(flight) = self.flights.land(id) else {
                    tracing::warn!(backend = self.backend, "answered something that nobody asked");
                    return None;
                };
                let told = heard.result.filter(|_| flight.about == About::News).map(told_in);
                if let Some(id) = told.and_then(|told| told.meta?.subscription) {
                    edits.replace(id.get(), flight.id.clone());
                }
                if let Some(said) = heard.result.filter(|_| flight.about == About::ATask).map(Said::in_) {
                    if said.began() {
                        self.flights.tell_on(id, flight.clone());
                    }
                    if let Some(tasks) = &self.tasks {
                        tasks.rename(&mut edits, &said);
                        tasks.rename_related(&mut edits, &said);
                    }
                }
                if let Some(code) = heard.error.and_then(|error| self.code(error, flight.about)) {
                    edits.replace(code.0.get(), code.1);
                }
                edits.replace(id, flight.id);
                if let Some(result) = heard.result.filter(|_| self.client_is_modern && self.on_line) {
                    edits.add_members(result, AS_MODERN);
                }
                let named = if let Named::As(named) = &self.named { named.as_slice() } else { &[] };
                if let (Some(result), false) = (heard.result, named.is_empty()) {
                    rename_contents(&mut edits, result, named);
                }
                if let (Some(result), Some(links)) = (heard.result, &self.links) {
                    links.rename(&mut edits, result, named);
                }
            }
            (Some(method), Some(id)) => {
                if self.client_is_modern {
                    tracing::warn!(backend = self.backend, %method, "asked a client that cannot be asked");
                    return None;
                }
                edits.replace(id, quoted(&self.question_id(id)));
                if let (Some(tasks), Some(params)) = (&self.tasks, heard.params) {
                    tasks.rename_related(&mut edits, &Said::in_(params));
                }
            }
            (Some(method), None) => self.notification(&mut edits, method, heard.params),
            (None, None) => return None,
        }
        Some(edits.done())
    }

    /// Why the backend refuses a request about this, in the client's words.
    pub(super) fn refused(&self, refused: Refused, about: About) -> Refused {
        let Refused::Mcp(status, text) = refused else { return refused };
        let mut edits = Edits::of(&text);
        let error = Heard::parse(&text).and_then(|heard| heard.error);
        if let Some((code, other)) = error.and_then(|error| self.code(error, about)) {
            edits.replace(code.get(), other);
        }
        Refused::Mcp(status, edits.done())
    }

    pub(super) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// What a client is told instead of an id that only this backend knows.
    pub(super) fn event_id(&self, id: &str) -> String {
        format!("{}:{id}", self.backend)
    }

    /// Under which id a client is asked what this backend asks.
    fn question_id(&self, id: &str) -> String {
        format!("{}:{}:{id}", self.backend, self.me)
    }

    fn notification(&self, edits: &mut Edits<'_>, method: &str, params: Option<&str>) {
        let Told { token, request, uri, meta } = params.map(told_in).unwrap_or_default();
        match method {
            "notifications/progress" => {
                let found = token.and_then(|token| Some((token, self.flights.find(token.get())?.token?)));
                if let Some((token, theirs)) = found {
                    edits.replace(token.get(), theirs);
                }
            }
            // Of what it asked the client.
            "notifications/cancelled" => {
                if let Some(request) = request {
                    edits.replace(request.get(), quoted(&self.question_id(request.get())));
                }
            }
            "notifications/resources/updated" if !self.transparent => {
                if let Some(uri) = uri
                    && let Some(exposed) = self.exposed(uri)
                {
                    edits.replace(uri.get(), quoted(&exposed));
                }
            }
            "notifications/tasks" | "notifications/tasks/status" => {
                if let (Some(tasks), Some(params)) = (&self.tasks, params) {
                    tasks.rename(edits, &Said::in_(params));
                }
                if let (Some(links), Some(params)) = (&self.links, params) {
                    links.rename(edits, params, &[]);
                }
            }
            "notifications/tools/list_changed" => self.catalogues.forget(self.place, Kind::Tools),
            "notifications/prompts/list_changed" => self.catalogues.forget(self.place, Kind::Prompts),
            "notifications/resources/list_changed" => self.catalogues.forget(self.place, Kind::Resources),
            _ => {}
        }
        if let (Some(tasks), Some(params), true) = (&self.tasks, params, meta.is_some()) {
            tasks.rename_related(edits, &Said::in_(params));
        }
        if let Some(id) = meta.and_then(|meta| meta.subscription)
            && let Some(flight) = self.flights.find(id.get()).filter(|flight| !flight.id.is_empty())
        {
            edits.replace(id.get(), flight.id);
        }
    }

    /// The code of an error, and what it is in the client's era: a resource that is not there has one of its own in the
    /// versions with sessions.
    fn code<'e>(&self, error: &'e str, about: About) -> Option<(&'e RawValue, &'static str)> {
        #[derive(Deserialize)]
        struct Coded<'a> {
            #[serde(borrow)]
            code: &'a RawValue,
        }
        let Coded { code } = serde_json::from_str(error).ok()?;
        let other = match (self.client_is_modern, self.on_line, code.get()) {
            (true, true, "-32002") => "-32602",
            (false, false, "-32602") if about == About::AResource => "-32002",
            _ => return None,
        };
        Some((code, other))
    }

    /// What the client calls a resource, where that is something else.
    fn exposed(&self, uri: &RawValue) -> Option<String> {
        let theirs: String = serde_json::from_str(uri.get()).ok()?;
        let ours = match &self.named {
            Named::In(session) => session.lines.watched_as(self.place, &theirs)?,
            Named::As(named) => named.iter().find(|(_, known)| *known == theirs)?.0.clone(),
        };
        (ours != theirs).then_some(ours)
    }
}

/// Resources in a result get the names by which they were asked for.
fn rename_contents(edits: &mut Edits<'_>, result: &str, named: &[(String, String)]) {
    #[derive(Deserialize)]
    struct Read<'a> {
        #[serde(borrow, default)]
        contents: Vec<Content<'a>>,
    }
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow)]
        uri: Option<&'a RawValue>,
    }
    let Ok(read) = serde_json::from_str::<Read<'_>>(result) else { return };
    for written in read.contents.into_iter().filter_map(|content| content.uri) {
        let theirs: Option<String> = serde_json::from_str(written.get()).ok();
        let ours = theirs.and_then(|theirs| named.iter().find(|(_, known)| *known == theirs));
        if let Some((ours, _)) = ours {
            edits.replace(written.get(), quoted(ours));
        }
    }
}

fn told_in(params: &str) -> Told<'_> {
    serde_json::from_str(params).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::flights::Flight;
    use axum::http::StatusCode;
    use countersign::clock::SystemClock;

    fn words() -> Words {
        Words {
            backend: "only".to_owned(),
            place: 0,
            flights: Arc::default(),
            catalogues: Arc::new(Catalogues::new(Arc::new(SystemClock))),
            transparent: true,
            client_is_modern: true,
            on_line: false,
            named: Named::As(Vec::new()),
            me: "me".into(),
            tasks: None,
            links: None,
        }
    }

    #[test]
    fn the_answer_that_ends_a_subscription_names_it_as_the_client_does() {
        let words = words();
        let flight = Flight { peer: 0, id: "\"mine\"".to_owned(), token: None, about: About::News };
        let fresh = words.flights.start(flight);
        let answer = |id: &str| {
            format!(
                r#"{{"id":{id},"result":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}},"jsonrpc":"2.0"}}"#
            )
        };
        let told = words.message(answer(&fresh.to_string()).as_bytes()).unwrap();
        assert_eq!(told, answer("\"mine\""));
    }

    #[test]
    fn a_resource_that_is_not_there_has_the_code_of_the_clients_era() {
        for (is_modern, on_line, about, code, told) in [
            (true, true, About::AResource, "-32002", "-32602"),
            (false, false, About::AResource, "-32602", "-32002"),
            (false, false, About::Anything, "-32602", "-32602"),
            (false, true, About::AResource, "-32602", "-32602"),
            (true, false, About::AResource, "-32002", "-32002"),
        ] {
            let words = Words { client_is_modern: is_modern, on_line, ..words() };
            let fresh = words.flights.start(Flight { peer: 0, id: "7".to_owned(), token: None, about });
            let error = |id: &str, code: &str| {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#)
            };
            let heard = words.message(error(&fresh.to_string(), code).as_bytes()).unwrap();
            assert_eq!(heard, error("7", told), "{is_modern} {on_line} {about:?}");
            let refused = Refused::Mcp(StatusCode::BAD_REQUEST, error("7", code).into());
            let Refused::Mcp(_, heard) = words.refused(refused, about) else { panic!("it is another one") };
            assert_eq!(heard, error("7", told), "{is_modern} {on_line} {about:?}");
        }
    }
}
