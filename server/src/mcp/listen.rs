//! Streams of what backends tell without being asked, as one.

use super::{
    abilities,
    error::{Refusal, Refused},
    filter::{Chosen, Filter, Subscribed, announced, merge},
    flights::{About, Flight},
    follow::Listener,
    line::{Line, MOST_WATCHED},
    message::Message,
    peer::{Peer, Request, Said},
    session::Session,
    sse::{Event, Events, changed, streaming},
    talk::{Talk, Way, modern_headers},
    wire::Heard,
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
use serde_json::{Map, Value, value::RawValue};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

pub(super) type Told = BoxStream<'static, Result<Bytes, BoxError>>;

/// What a backend agreed to tell, and what it tells.
pub(super) struct News {
    pub(super) agreed: Value,
    pub(super) told: Told,
}

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// How often a stream is asked for that a backend has given already.
const TRIES: usize = 5;
const MOMENT: Duration = Duration::from_millis(200);
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

impl Talk<'_> {
    /// Everything that backends tell the client of a session.
    pub(super) async fn listen(&self, session: &Arc<Session>) -> Result<Response<Body>, Refused> {
        let last = self.caller.headers.get(LAST_EVENT).and_then(|value| value.to_str().ok());
        let last = last.and_then(|last| last.split_once(':'));
        let open = |peer| async move { self.hear(session, peer, last).await };
        let opened = self.each(open).await.map_err(Refused::Token)?;
        let (mut streams, mut failure, mut any) = (Vec::new(), None, false);
        for (peer, opened) in opened {
            let first = match opened {
                Ok(None) => continue,
                Ok(Some(told)) => Some(told),
                Err(refused) => {
                    failure = Some(refused);
                    None
                }
            };
            any |= first.is_some();
            streams.push(self.following(peer, Listener::Session(session.clone()), first));
        }
        match failure {
            Some(failure) if !any => Err(failure),
            None if !any => Err(Refusal::nothing_to_hear().into()),
            _ => Ok(self.while_valid(stream::select_all(streams))),
        }
    }

    /// What one backend tells the client of a session; `None` where it tells nothing.
    pub(super) async fn hear(
        &self,
        session: &Arc<Session>,
        peer: &Peer,
        last: Option<(&str, &str)>,
    ) -> Result<Option<News>, Refused> {
        if peer.is_modern() {
            let chosen = Chosen { resources: session.lines.watched(peer.place), tasks: Vec::new() };
            return match self.hear_stateless(peer, "0", &Filter::EVERYTHING, &chosen).await {
                Err(refused) if refused.is_unknown_method() => Ok(None),
                heard => heard.map(Some),
            };
        }
        let Some((line, body)) = self.hear_line(session, peer, last).await? else { return Ok(None) };
        let words = Words::of(self, peer, session.flights.clone(), true);
        let events = changed(body, move |event| words.event(event));
        Ok(Some(News { agreed: announced(&line.hello), told: events.boxed() }))
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
        if filter.resource_subscriptions.len() + filter.task_ids.len() > MOST_WATCHED {
            return Err(Refusal::watches_enough().into());
        }
        if !filter.task_ids.is_empty() && !abilities::extends_to_tasks(self.speech.capabilities()) {
            return Err(Refusal::lacks_tasks().into());
        }
        let mut chosen: Vec<Chosen> = self.hub.peers.iter().map(|_| Chosen::default()).collect();
        // What nobody has is not among what is acknowledged.
        for uri in &filter.resource_subscriptions {
            if let Ok((place, theirs)) = self.owner_of(uri).await
                && self.may_watch(place, &theirs)
                && let Some(chosen) = chosen.get_mut(place)
            {
                chosen.resources.push((uri.clone(), theirs));
            }
        }
        for task in &filter.task_ids {
            if let Ok((place, theirs)) = self.owner_of_task(task)
                && let Some(chosen) = chosen.get_mut(place)
            {
                chosen.tasks.push((task.clone(), theirs.to_owned()));
            }
        }
        let (filter, chosen, none) = (&filter, &chosen, &Chosen::default());
        let of = |peer: &Peer| chosen.get(peer.place).unwrap_or(none);
        let open = |peer| async move { self.subscribe_to(peer, id.get(), filter, of(peer)).await };
        let opened = self.each(open).await.map_err(Refused::Token)?;
        let (mut streams, mut heard, mut failure) = (Vec::new(), Map::new(), None);
        for (peer, opened) in opened {
            match opened {
                Ok(news) => {
                    merge(&mut heard, &news.agreed, of(peer));
                    let (id, filter) = (id.get().to_owned(), filter.clone());
                    let listener = Listener::Subscription { id, filter, chosen: of(peer).clone() };
                    streams.push(self.following(peer, listener, Some(news)));
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

    /// What one backend tells a subscription, in whichever era it speaks.
    pub(super) async fn subscribe_to(
        &self,
        peer: &Peer,
        id: &str,
        filter: &Filter,
        chosen: &Chosen,
    ) -> Result<News, Refused> {
        match self.way(peer).await? {
            Way::Stateless => self.hear_stateless(peer, id, filter, chosen).await,
            Way::Line(session) => self.hear_in_session(&session, peer, id, filter, chosen).await,
        }
    }

    /// The stream of a line, and the line; `None` where there is no such stream.
    async fn hear_line(
        &self,
        session: &Session,
        peer: &Peer,
        last: Option<(&str, &str)>,
    ) -> Result<Option<(Arc<Line>, Body)>, Refused> {
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
                Ok(reply) => return Ok(Some((line, Body::new(reply.into_body())))),
                Err(refused) if refused.has_status(StatusCode::METHOD_NOT_ALLOWED) => return Ok(None),
                Err(refused) if refused.forgets_sessions() => session.hang_up(peer, &line).await,
                Err(refused) => return Err(refused),
            }
        }
        Err(Refusal::backend(peer.name(), "forgets its sessions").into())
    }

    /// What a backend with sessions tells a subscription: what it tells its session, as far as that is wanted.
    async fn hear_in_session(
        &self,
        session: &Arc<Session>,
        peer: &Peer,
        id: &str,
        filter: &Filter,
        chosen: &Chosen,
    ) -> Result<News, Refused> {
        let news = self.news_of(session, peer).await?;
        let line = session.line(peer, self.caller).await?;
        let mut agreed = filter.of(&announced(&line.hello));
        let watching = self.watch(session, peer, &chosen.resources).await;
        let watched = watching.watched().to_vec();
        let told = Subscribed { id: id.to_owned(), filter: filter.clone(), watched: watched.clone() };
        if let (Some(agreed), false) = (agreed.as_object_mut(), watched.is_empty()) {
            agreed.insert("resourceSubscriptions".to_owned(), watched.into());
        }
        let words = Words::of(self, peer, session.flights.clone(), true).calling(&chosen.resources);
        // It ends with the stream.
        let state = (watching, news, words, told);
        let events = stream::try_unfold(state, |(watching, mut news, words, told)| async move {
            loop {
                match news.recv().await {
                    Ok(event) => {
                        if let Some(event) = told.event(event).and_then(|event| words.event(event)) {
                            return Ok(Some((event.into_bytes(), (watching, news, words, told))));
                        }
                    }
                    Err(RecvError::Closed) => return Ok(None),
                    Err(missed @ RecvError::Lagged(_)) => return Err(missed.into()),
                }
            }
        });
        Ok(News { agreed, told: events.boxed() })
    }

    /// The stream of a session with `peer`, which all subscriptions share.
    async fn news_of(&self, session: &Session, peer: &Peer) -> Result<Receiver<Event>, Refused> {
        for _ in 0..TRIES {
            if let Some(news) = session.news.join(peer.place) {
                return Ok(news);
            }
            match self.hear_line(session, peer, None).await {
                Ok(Some((_, body))) => return Ok(session.news.share(peer.place, body)),
                Ok(None) => return Err(Refusal::backend(peer.name(), "does not tell changes").into()),
                // It gives one stream at a time, and has not seen yet that the last one is over.
                Err(refused) if refused.has_status(StatusCode::CONFLICT) => tokio::time::sleep(MOMENT).await,
                Err(refused) => return Err(refused),
            }
        }
        Err(Refusal::listened_to(peer.name()).into())
    }

    /// What a backend without sessions tells, if asked for that.
    async fn hear_stateless(
        &self,
        peer: &Peer,
        id: &str,
        filter: &Filter,
        chosen: &Chosen,
    ) -> Result<News, Refused> {
        let flights = Arc::default();
        let words = Words::of(self, peer, Arc::clone(&flights), false).calling(&chosen.resources);
        let fresh =
            flights.start(Flight { peer: peer.place, id: id.to_owned(), token: None, about: About::News });
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{fresh},"method":"subscriptions/listen","params":{{"_meta":{{{}}},"notifications":{}}}}}"#,
            self.speech.as_meta(),
            filter.for_one(chosen),
        );
        let request = Request::posting(modern_headers("subscriptions/listen", None), body);
        let Said::Events(body) = peer.post(self.caller, request).await? else {
            return Err(Refusal::backend(peer.name(), "does not tell changes").into());
        };
        let mut events = Events::of(body);
        let agreed = first_of(&mut events).await;
        let agreed = agreed.ok_or_else(|| Refusal::backend(peer.name(), "does not tell changes"))?;
        let rest = stream::try_unfold((events, words), |(mut events, words)| async move {
            loop {
                let Some(event) = events.next().await? else { return Ok(None) };
                let is_end =
                    event.data.as_deref().and_then(Heard::parse).is_some_and(|heard| heard.is_answer());
                if is_end {
                    return Ok(None);
                }
                if let Some(event) = words.event(event) {
                    return Ok(Some((event.into_bytes(), (events, words))));
                }
            }
        });
        Ok(News { agreed, told: rest.boxed() })
    }

    /// A stream that ends with the caller's token.
    fn while_valid(
        &self,
        told: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    ) -> Response<Body> {
        let expires = self.caller.who.identity().expires();
        let left = expires.and_then(|end| end.duration_since(SystemClock.now()).ok());
        streaming(match left {
            Some(left) => Body::from_stream(told.take_until(Box::pin(tokio::time::sleep(left)))),
            None => Body::from_stream(told),
        })
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
        let params: Params = serde_json::from_str(heard.params?).ok()?;
        return Some(params.notifications);
    }
    None
}
