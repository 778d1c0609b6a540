//! Streams of what backends tell without being asked, as one.

use super::{
    error::{Refusal, Refused},
    flights::Flight,
    message::Message,
    peer::{Peer, Request, Said},
    session::Session,
    sse::{Event, Events, changed},
    talk::{Talk, Way, modern_headers},
    wire::{Heard, quoted},
    words::Words,
};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Response, StatusCode, header},
};
use bytes::Bytes;
use countersign::{
    BoxError,
    clock::{Clock, SystemClock},
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use std::sync::Arc;

type Told = BoxStream<'static, Result<Bytes, BoxError>>;

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// What a subscription wants to hear.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: Vec<String>,
}

impl Talk<'_> {
    /// Everything that backends tell the client of a session.
    pub(super) async fn listen(&self, session: &Arc<Session>) -> Result<Response<Body>, Refused> {
        let last = self.caller.headers.get(LAST_EVENT).and_then(|value| value.to_str().ok());
        let last = last.and_then(|last| last.split_once(':'));
        let open = |peer| async move { self.hear(session, peer, last).await };
        let opened = self.hub.each(open).await.map_err(Refused::Token)?;
        let (mut streams, mut failure) = (Vec::new(), None);
        for (_, opened) in opened {
            match opened {
                Ok(stream) => streams.extend(stream),
                Err(refused) => failure = Some(refused),
            }
        }
        match failure {
            Some(failure) if streams.is_empty() => Err(failure),
            None if streams.is_empty() => Err(Refusal::nothing_to_hear().into()),
            _ => Ok(self.while_valid(stream::select_all(streams))),
        }
    }

    /// What one backend tells; `None` where it tells nothing.
    async fn hear(
        &self,
        session: &Arc<Session>,
        peer: &Peer,
        last: Option<(&str, &str)>,
    ) -> Result<Option<Told>, Refused> {
        if peer.is_modern() {
            return Ok(None);
        }
        for _ in 0..2 {
            let line = session.line(peer, self.caller).await?;
            let mut headers = line.headers();
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            if let Some((name, last)) = last
                && name == peer.name()
            {
                headers.extend(HeaderValue::try_from(last).ok().map(|last| (LAST_EVENT, last)));
            }
            let request = Request { method: Method::GET, tool: None, headers, body: Bytes::new() };
            match peer.send(self.caller, request).await {
                Ok(reply) => {
                    let words = Words::of(self, peer, session.flights.clone(), true);
                    let events = changed(Body::new(reply.into_body()), move |event| words.event(event));
                    return Ok(Some(events.boxed()));
                }
                Err(refused) if refused.has_status(StatusCode::METHOD_NOT_ALLOWED) => return Ok(None),
                Err(refused) if refused.forgets_sessions() => session.hang_up(peer, &line).await,
                Err(refused) => return Err(refused),
            }
        }
        Err(Refusal::backend(peer.name(), "forgets its sessions").into())
    }

    /// One subscription with every backend, and what they tell as one.
    pub(super) async fn subscribe(
        &self,
        message: &Message<'_>,
        id: &RawValue,
    ) -> Result<Response<Body>, Refused> {
        let wrong = || Refusal::invalid_params("`notifications` is not what a subscription takes");
        let filter = message.params.notifications.ok_or_else(wrong)?;
        let filter: Filter = serde_json::from_str(filter.get()).map_err(|_| wrong())?;
        let mut wanted: Vec<Vec<(String, String)>> = self.hub.peers.iter().map(|_| Vec::new()).collect();
        for uri in &filter.resource_subscriptions {
            // What nobody has is not among what is acknowledged.
            if let Ok((place, theirs)) = self.owner_of(uri).await
                && let Some(wanted) = wanted.get_mut(place)
            {
                wanted.push((uri.clone(), theirs));
            }
        }
        let (filter, wanted) = (&filter, &wanted);
        let open = |peer| self.subscribe_to(peer, id, filter, wanted);
        let opened = self.hub.each(open).await.map_err(Refused::Token)?;
        let (mut streams, mut heard, mut failure) = (Vec::new(), Map::new(), None);
        for (peer, opened) in opened {
            match opened {
                Ok((acknowledged, stream)) => {
                    merge(&mut heard, &acknowledged, wanted.get(peer.place).map_or(&[][..], Vec::as_slice));
                    streams.push(stream);
                }
                Err(refused) => {
                    let (code, message) = refused.told();
                    tracing::warn!(backend = peer.name(), code, message, "tells no changes");
                    failure = Some(refused);
                }
            }
        }
        if let Some(failure) = failure.filter(|_| streams.is_empty()) {
            return Err(failure);
        }
        let meta = format!(r#"{{"io.modelcontextprotocol/subscriptionId":{}}}"#, id.get());
        let acknowledged = format!(
            r#"{{"jsonrpc":"2.0","method":"{ACKNOWLEDGED}","params":{{"_meta":{meta},"notifications":{}}}}}"#,
            Value::Object(heard)
        );
        let end = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"resultType":"complete","_meta":{meta}}}}}"#,
            id.get()
        );
        let one = |text: String| stream::once(async move { Ok(Event::saying(text.as_bytes()).into_bytes()) });
        Ok(self.while_valid(one(acknowledged).chain(stream::select_all(streams)).chain(one(end))))
    }

    async fn subscribe_to(
        &self,
        peer: &Peer,
        id: &RawValue,
        filter: &Filter,
        wanted: &[Vec<(String, String)>],
    ) -> Result<(Value, Told), Refused> {
        let wanted = wanted.get(peer.place).map_or(&[][..], Vec::as_slice);
        if !matches!(self.way(peer).await?, Way::Stateless) {
            return Err(Refusal::backend(peer.name(), "tells changes only in a session").into());
        }
        let flights = Arc::default();
        let words = Words::of(self, peer, Arc::clone(&flights), false).calling(wanted);
        let fresh = flights.start(Flight { peer: peer.place, id: id.get().to_owned(), token: None });
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{fresh},"method":"subscriptions/listen","params":{{"_meta":{{{}}},"notifications":{}}}}}"#,
            self.speech.as_meta(),
            filter.for_one(wanted),
        );
        let request = Request::posting(modern_headers("subscriptions/listen", None), body);
        let Said::Events(body) = peer.post(self.caller, request).await? else {
            return Err(Refusal::backend(peer.name(), "does not tell changes").into());
        };
        let mut events = Events::of(body);
        let acknowledged = first_of(&mut events).await;
        let acknowledged =
            acknowledged.ok_or_else(|| Refusal::backend(peer.name(), "does not tell changes"))?;
        let rest = stream::try_unfold((events, words), |(mut events, words)| async move {
            loop {
                let Some(event) = events.next().await? else { return Ok(None) };
                let is_end =
                    event.data.as_deref().and_then(Heard::parse).is_some_and(|heard| heard.is_answer());
                if is_end {
                    // The others go on.
                    return Ok(None);
                }
                if let Some(event) = words.event(event) {
                    return Ok(Some((event.into_bytes(), (events, words))));
                }
            }
        });
        Ok((acknowledged, rest.boxed()))
    }

    /// A stream that ends with the caller's token.
    fn while_valid(
        &self,
        told: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    ) -> Response<Body> {
        let expires = self.caller.who.identity().expires();
        let left = expires.and_then(|end| end.duration_since(SystemClock.now()).ok());
        super::forward::streaming(match left {
            Some(left) => Body::from_stream(told.take_until(Box::pin(tokio::time::sleep(left)))),
            None => Body::from_stream(told),
        })
    }
}

impl Filter {
    fn for_one(&self, wanted: &[(String, String)]) -> String {
        let flags = [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ];
        let flags =
            flags.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| format!("\"{name}\":true"));
        let uris: Vec<_> = wanted.iter().map(|(_, theirs)| quoted(theirs)).collect();
        let uris = (!uris.is_empty()).then(|| format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        format!("{{{}}}", flags.chain(uris).collect::<Vec<_>>().join(","))
    }
}

/// What a backend agrees to tell.
async fn first_of(events: &mut Events) -> Option<Value> {
    #[derive(Deserialize)]
    struct Params {
        notifications: Value,
    }
    while let Ok(Some(event)) = events.next().await {
        let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
        let heard = Heard::parse(&data)?;
        if heard.method.as_deref() != Some(ACKNOWLEDGED) {
            return None;
        }
        let params: Params = serde_json::from_str(heard.params?.get()).ok()?;
        return Some(params.notifications);
    }
    None
}

/// Adds what one backend agreed to, in the client's words.
fn merge(heard: &mut Map<String, Value>, theirs: &Value, wanted: &[(String, String)]) {
    for name in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
        if theirs.get(name) == Some(&Value::Bool(true)) {
            heard.insert(name.to_owned(), true.into());
        }
    }
    let agreed = theirs.get("resourceSubscriptions").and_then(Value::as_array);
    let agreed = agreed.into_iter().flatten().filter_map(Value::as_str);
    let ours = agreed.filter_map(|uri| wanted.iter().find(|(_, theirs)| theirs == uri));
    let ours: Vec<Value> = ours.map(|(ours, _)| json!(ours)).collect();
    if !ours.is_empty() {
        let all = heard.entry("resourceSubscriptions").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.extend(ours);
        }
    }
}
