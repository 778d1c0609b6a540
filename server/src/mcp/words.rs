//! What a backend says, in the words of the client that hears it.

use super::{
    catalog::{Catalogues, Kind},
    flights::Flights,
    peer::Peer,
    pool::Authority,
    talk::Talk,
    wire::{Edits, Heard, quoted},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, sync::Arc};

/// Knows which ids, tokens and names of a backend's messages are which of the client's.
#[derive(Debug)]
pub(super) struct Words {
    backend: String,
    place: usize,
    flights: Arc<Flights>,
    catalogues: Arc<Catalogues>,
    authority: Authority,
    transparent: bool,
    client_is_modern: bool,
    on_line: bool,
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
            authority: talk.authority,
            transparent: talk.hub.is_transparent(),
            client_is_modern: talk.speech.is_modern(),
            on_line,
        }
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
                let Some(flight) = self.flights.land(id.get()) else {
                    tracing::warn!(backend = self.backend, "answered something that nobody asked");
                    return None;
                };
                edits.replace(id.get(), flight.id);
                if let Some(result) = heard.result.filter(|_| self.client_is_modern && self.on_line) {
                    edits.add_members(result.get(), AS_MODERN);
                }
                if let Some(meta) = heard.result.and_then(|result| told_in(result).meta)
                    && let Some(id) = meta.subscription
                {
                    self.subscription(&mut edits, id);
                }
            }
            (Some(method), Some(id)) => {
                if self.client_is_modern {
                    tracing::warn!(backend = self.backend, %method, "asked a client that cannot be asked");
                    return None;
                }
                edits.replace(id.get(), quoted(&self.event_id(id.get())));
            }
            (Some(method), None) => self.notification(&mut edits, method, heard.params),
            (None, None) => return None,
        }
        Some(edits.done())
    }

    /// What a client is told instead of an id that only this backend knows.
    pub(super) fn event_id(&self, id: &str) -> String {
        format!("{}:{id}", self.backend)
    }

    fn notification(&self, edits: &mut Edits<'_>, method: &str, params: Option<&RawValue>) {
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
                    edits.replace(request.get(), quoted(&self.event_id(request.get())));
                }
            }
            "notifications/resources/updated" if !self.transparent => {
                if let Some(uri) = uri
                    && let Some(exposed) = self.exposed(uri)
                {
                    edits.replace(uri.get(), quoted(&exposed));
                }
            }
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => self.catalogues.forget(),
            _ => {}
        }
        if let Some(id) = meta.and_then(|meta| meta.subscription) {
            self.subscription(edits, id);
        }
    }

    fn subscription(&self, edits: &mut Edits<'_>, id: &RawValue) {
        if let Some(flight) = self.flights.find(id.get()) {
            edits.replace(id.get(), flight.id);
        }
    }

    /// What clients call a resource that another backend has under the same name.
    fn exposed(&self, uri: &RawValue) -> Option<String> {
        let uri: Cow<'_, str> = serde_json::from_str(uri.get()).ok()?;
        let (owner, _) = self.catalogues.owner(self.authority, Kind::Resources, &uri)?;
        (owner != self.place).then(|| format!("{}+{uri}", self.backend))
    }
}

fn told_in(params: &RawValue) -> Told<'_> {
    serde_json::from_str(params.get()).unwrap_or_default()
}
