//! What a message comes to: an answer of one backend, of all, or of the gateway's own.

use super::{
    catalog::Kind,
    era::SUPPORTED,
    error::{Refusal, Refused, answer, empty},
    fanout::{Merged, Status},
    flights::About,
    forward::Asked,
    hello::Hellos,
    message::Message,
    peer::Peer,
    route::Destination,
    search::{CALL, FIND, TOOLS},
    session::{Session, place},
    talk::{Speech, Talk, Way},
    tasks::Said,
    wire::Edits,
    words::Words,
};
use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode},
};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a backend is told in each of its sessions, of which every replica may have one.
const FOR_EVERY_SESSION: [&str; 3] = ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"];

impl Talk<'_> {
    /// What a message comes to, here and at other replicas.
    pub(super) async fn answer(
        &self,
        message: &Message<'_>,
        body: &Bytes,
    ) -> Result<Response<Body>, Refused> {
        let answered = self.answer_here(message, body).await?;
        if let Speech::Legacy(session) = &self.speech
            && self.concerns_others(message)
        {
            self.hub.replicas.pass_on(session, body).await?;
        }
        Ok(answered)
    }

    fn concerns_others(&self, message: &Message<'_>) -> bool {
        match (message.method.as_deref(), message.answers) {
            (Some("notifications/initialized"), _) => false,
            (Some(method), _) => message.id.is_none() || FOR_EVERY_SESSION.contains(&method),
            (None, Some(id)) => !id.get().contains(&format!(":{}:", self.hub.replicas.me())),
            (None, None) => false,
        }
    }

    /// What a message comes to here.
    pub(super) async fn answer_here(
        &self,
        message: &Message<'_>,
        body: &Bytes,
    ) -> Result<Response<Body>, Refused> {
        let Some(id) = message.id else {
            if let Speech::Legacy(session) = &self.speech {
                Box::pin(self.tell(session, message, body)).await?;
            }
            return Ok(empty(StatusCode::ACCEPTED));
        };
        if self.hub.searches {
            match (message.method.as_deref(), message.subject()) {
                (Some("tools/list"), _) if message.params.cursor.is_none() => {
                    let merged = Merged { items: TOOLS.to_owned(), ttl: 0, status: Status::default() };
                    return Ok(answer(id, &self.as_result(Kind::Tools, merged)));
                }
                (Some("tools/call"), Some(FIND)) => return Box::pin(self.find_tools(message, id)).await,
                (Some("tools/call"), Some(CALL)) => {
                    let meant = Self::meant(message, body)?;
                    let message = Message::parse(&meant)?;
                    // The same id, where it stands in what is sent on.
                    let id = message.id.ok_or_else(Refusal::defect)?;
                    return Box::pin(self.answer_request(&message, &meant, id, true)).await;
                }
                _ => {}
            }
        }
        self.answer_request(message, body, id, false).await
    }

    /// What a request comes to; one that `was_found` came about by a tool of ours.
    async fn answer_request(
        &self,
        message: &Message<'_>,
        body: &Bytes,
        id: &RawValue,
        was_found: bool,
    ) -> Result<Response<Body>, Refused> {
        let method = message.method.as_deref().unwrap_or_default();
        match self.destination(message).await? {
            Destination::One(target) => {
                let place = target.place;
                let asked = Asked {
                    message,
                    body,
                    id,
                    target,
                    tool: None,
                    params: HeaderMap::new(),
                    added: String::new(),
                    was_found,
                };
                let forwarded = Box::pin(self.forward(asked)).await;
                let peer = self.hub.peer(place)?;
                forwarded.map_err(|refused| self.words_of(peer).refused(refused, About::of(message)))
            }
            Destination::List(kind) if message.params.cursor.is_none() => {
                Ok(answer(id, &self.as_result(kind, Box::pin(self.list_all(kind)).await?)))
            }
            Destination::List(_) => {
                Err(Refusal::invalid_params("there is no such page").with_status(StatusCode::OK).into())
            }
            Destination::Here => Ok(answer(id, "{}")),
            Destination::All => match (method, &self.speech) {
                ("logging/setLevel", Speech::Legacy(session)) => {
                    Box::pin(self.set_level(session, message)).await.map(|()| answer(id, "{}"))
                }
                ("server/discover", Speech::Modern { .. }) => {
                    let said = self.each(|peer| self.hello_of(peer)).await.map_err(Refused::Token)?;
                    Ok(answer(id, &Hellos::of(said)?.into_discover(&SUPPORTED)))
                }
                ("subscriptions/listen", Speech::Modern { .. }) => {
                    Box::pin(self.subscribe(message, id)).await
                }
                _ => Err(self.unknown(method)),
            },
            Destination::Nowhere => Err(self.unknown(method)),
        }
    }

    /// For what a backend says of itself, in whichever way it is spoken to.
    fn words_of(&self, peer: &Peer) -> Words {
        let on_line = if self.speech.is_modern() { peer.is_legacy() } else { !peer.is_modern() };
        Words::of(self, peer, Arc::default(), on_line)
    }

    pub(super) fn unknown(&self, method: &str) -> Refused {
        let refusal = Refusal::unknown_method(method);
        if self.speech.is_modern() { refusal.into() } else { refusal.with_status(StatusCode::OK).into() }
    }

    fn as_result(&self, kind: Kind, merged: Merged) -> String {
        let Merged { items, ttl, status } = merged;
        let field = kind.field();
        let meta = status.into_value();
        if self.speech.is_modern() {
            format!(
                r#"{{"{field}":{items},"resultType":"complete","ttlMs":{ttl},"cacheScope":"private","_meta":{meta}}}"#
            )
        } else {
            format!(r#"{{"{field}":{items},"_meta":{meta}}}"#)
        }
    }

    /// What a client of a session tells without asking: answers, cancellations, news.
    async fn tell(&self, session: &Session, message: &Message<'_>, body: &Bytes) -> Result<(), Refused> {
        if let Some(id) = message.answers {
            return self.answer_back(session, id, message, body).await;
        }
        match (message.method.as_deref(), message.params.request_id) {
            // Backends were told when their sessions were opened.
            (Some("notifications/initialized"), _) => Ok(()),
            (Some("notifications/cancelled"), Some(request)) => {
                session.cancels.cancel(request.get());
                let Some((fresh, place)) = session.flights.of_client(request.get()) else { return Ok(()) };
                let mut edits = Edits::of(body);
                edits.replace(request.get(), fresh.to_string());
                session.post(self.hub.peer(place)?, self.caller, None, edits.done()).await.map(|_| ())
            }
            _ => {
                let mut edits = Edits::of(body);
                let said = message.written.filter(|_| !self.hub.is_transparent());
                let said = said.map(|params| Said::in_(params.get())).unwrap_or_default();
                let owner = place(self.caller.who.identity());
                let only = self.hub.tasks.restore(&mut edits, &said, &owner);
                let (body, mut first) = (edits.done(), Ok(()));
                for (place, _) in session.lines.are_open().await {
                    let peer = self.hub.peer(place)?;
                    if only.as_ref().is_none_or(|only| peer.name() == only) {
                        let told = session.post(peer, self.caller, None, body.clone()).await;
                        first = first.and(told.map(|_| ()));
                    }
                }
                first
            }
        }
    }

    /// The answer to a question of a backend's, whose name is in the id that the client was told.
    async fn answer_back(
        &self,
        session: &Session,
        id: &RawValue,
        answer: &Message<'_>,
        body: &Bytes,
    ) -> Result<(), Refused> {
        let nobody = || Refusal::invalid_request("nobody has asked what this answers");
        let told: String = serde_json::from_str(id.get()).map_err(|_| nobody())?;
        let [name, replica, theirs] = told.splitn(3, ':').collect::<Vec<_>>()[..] else {
            return Err(nobody().into());
        };
        if *replica != **self.hub.replicas.me() {
            if self.hub.replicas.are_several() {
                return Ok(());
            }
            return Err(Refusal::try_again("another replica asked this, or one that has ended").into());
        }
        if name.is_empty() {
            return session.questions.answer(theirs, body.clone()).ok_or_else(|| nobody().into());
        }
        let theirs: &RawValue = serde_json::from_str(theirs).map_err(|_| nobody())?;
        let peer = self.hub.peers.iter().find(|peer| peer.name() == name).ok_or_else(nobody)?;
        let mut edits = Edits::of(body);
        edits.replace(id.get(), theirs.get());
        if let (Some(result), false) = (answer.result, self.hub.is_transparent()) {
            let owner = place(self.caller.who.identity());
            self.hub.tasks.restore(&mut edits, &Said::in_(result.get()), &owner);
        }
        session.post(peer, self.caller, None, edits.done()).await.map(|_| ())
    }

    async fn set_level(&self, session: &Session, message: &Message<'_>) -> Result<(), Refused> {
        let level = message.params.level.map(RawValue::get).unwrap_or("null");
        session.lines.want_level(level);
        let members = format!("\"level\":{level}");
        let members = &members;
        let said = self
            .each(|peer| async move {
                match self.way(peer).await? {
                    Way::Line(_) => self.ask(peer, "logging/setLevel", members).await.map(|_| ()),
                    // It is told with every request.
                    Way::Stateless => Ok(()),
                }
            })
            .await
            .map_err(Refused::Token)?;
        // One that logs nothing needs no level.
        let refused = said.into_iter().map(|(_, said)| said);
        refused.reduce(|one, other| one.or(other)).unwrap_or(Ok(()))
    }

    /// What a backend says of itself.
    pub(super) async fn hello_of(&self, peer: &Peer) -> Result<Bytes, Refused> {
        let way = match self.way(peer).await? {
            Way::Line(session) => Way::Line(session),
            Way::Stateless => match self.discover(peer).await {
                Ok(hello) => return Ok(hello),
                // It may need a session. There it is not asked this: some never answer what they do not know.
                Err(refused) => match self.other_way(peer, refused).await {
                    Ok(way) => way,
                    Err(refused) => match self.way(peer).await? {
                        Way::Line(session) => Way::Line(session),
                        Way::Stateless => return Err(refused),
                    },
                },
            },
        };
        match way {
            Way::Line(session) => Ok(session.line(peer, self.caller).await?.hello.clone()),
            Way::Stateless => self.discover(peer).await,
        }
    }
}
