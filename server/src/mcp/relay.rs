//! One endpoint for all backends: every message finds its way, signed as whoever sent it.

use super::{
    abilities, batch,
    before::Before,
    catalog::Catalogues,
    connect::{self, Connect, shows_pages},
    era::{Era, LEGACY},
    error::{Refusal, Refused, answer, empty},
    hello::Hellos,
    message::Message,
    names::{SESSION, only},
    naming::Naming,
    parked::Parked,
    peer::{Caller, Peer},
    pool::{Authority, Pool},
    replicas::{self, Replicas},
    session::{Greeting, Session, Sessions, passing_key},
    talk::{Hub, Speech, Talk},
    tasks::Tasks,
};
use crate::{
    config::endpoint::Endpoint,
    store::{Seal, Store},
    upstream::Backend,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use bytes::Bytes;
use countersign::{
    Error,
    clock::{Clock, SystemClock},
    proof::Authenticated,
};
use std::sync::Arc;

/// How large a message from a client may be.
pub(crate) const MAX_BODY: usize = 8 * 1024 * 1024;
/// How much a client may say of itself when it opens a session: all of it is in the session's id.
const MAX_GREETING: usize = 4 * 1024;

/// Relays what clients send to the backends that it is for.
#[derive(Debug)]
pub(crate) struct Relay {
    hub: Arc<Hub>,
    sessions: Sessions,
    connect: Connect,
}

impl Relay {
    /// `None` where this system has no randomness.
    ///
    /// Replicas that share `store` share what is on its way.
    pub(crate) fn new(
        backends: Vec<Backend>,
        endpoint: Endpoint,
        connect: Connect,
        store: Option<Store>,
    ) -> Option<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Endpoint { naming, sessions, lists, access, searches, tools } = endpoint;
        let naming = Naming::of(naming, backends.len());
        let peers = backends.into_iter().zip(tools).enumerate();
        let peers = peers.map(|(place, (backend, tools))| Peer::new(place, backend, tools)).collect();
        let seal = match sessions.seal {
            Some(seal) => Arc::new(seal),
            None => Arc::new(Seal::new(passing_key()?, Vec::new())),
        };
        let tasks = Arc::new(Tasks::new(seal.clone()));
        let sessions = Sessions::new(seal, sessions.lifetime, sessions.idle, clock.clone());
        let catalogues = Arc::new(Catalogues::new(clock.clone()));
        let (pool, parked) = (Pool::new(clock.clone()), Parked::new(clock));
        let replicas = Arc::new(Replicas::sharing(store)?);
        let hub = Arc::new(Hub {
            peers,
            naming,
            lists,
            access,
            searches,
            catalogues,
            before: Before::default(),
            pool,
            parked,
            tasks,
            replicas,
        });
        Some(Self { hub, sessions, connect })
    }

    /// A message of the client's.
    ///
    /// # Errors
    ///
    /// Only what is wrong with the caller's own token: everything else is an answer.
    pub(crate) async fn post(
        &self,
        who: Authenticated,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        if batch::is_one(&body) {
            let answered = self.batch(Caller { who: &who, headers }, &body).await;
            return Ok(answered.unwrap_or_else(Refusal::into_response));
        }
        let read = accepts(headers, &["application/json", "text/event-stream"])
            .and_then(|()| is_json(headers))
            .and_then(|()| Message::parse(&body))
            .and_then(|message| Ok((Era::of(&message, headers)?, message)));
        let (era, message) = match read {
            Ok(read) => read,
            Err(refusal) => return Ok(refusal.into_response()),
        };
        let caller = Caller { who: &who, headers };
        // The only backend hears everything that clients of its era say, and is heard.
        let whole = self.hub.is_transparent();
        let speech = match era {
            Era::Modern => Speech::modern(&message, whole),
            Era::Legacy if message.method.as_deref() == Some("initialize") => greeting_of(&message, whole)
                .map(|greeting| Speech::Legacy(Arc::new(Session::new(greeting, self.hub.peers.len())))),
            Era::Legacy => Box::pin(self.session_of(caller)).await.map(Speech::Legacy),
        };
        let speech = match speech {
            Ok(speech) => speech,
            Err(refusal) => return Ok(refusal.answering(message.id).into_response()),
        };
        let method = message.method.as_deref();
        let shows_pages = shows_pages(speech.capabilities());
        let asked = connect::Asked { era, method, id: message.id, caller: caller.who, shows_pages };
        let opens = era == Era::Legacy && method == Some("initialize");
        let talk = self.talk(caller, speech);
        let answered = match &talk.speech {
            Speech::Legacy(session) if opens => Box::pin(self.initialize(&talk, session, &message)).await,
            Speech::Legacy(_) | Speech::Modern { .. } => talk.answer(&message, &body).await,
        };
        let answered = answered.or_else(|refused| refused.into_response(message.id))?;
        Ok(self.connect.lead(answered, asked))
    }

    /// A client that listens to a session (`GET`), or ends one (`DELETE`).
    ///
    /// # Errors
    ///
    /// As for [`post`](Self::post).
    pub(crate) async fn session(
        &self,
        method: Method,
        who: Authenticated,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Error> {
        let listens = if method == Method::GET { &["text/event-stream"][..] } else { &[] };
        match accepts(headers, listens).and_then(|()| Era::without_message(headers)) {
            Ok(Era::Legacy) => {}
            Ok(Era::Modern) => return Ok(not_allowed()),
            Err(refusal) => return Ok(refusal.into_response()),
        }
        let caller = Caller { who: &who, headers };
        let session = match Box::pin(self.session_of(caller)).await {
            Ok(session) => session,
            Err(refusal) => return Ok(refusal.into_response()),
        };
        if method == Method::DELETE {
            let told = only(headers, &SESSION).unwrap_or_default();
            let ended = self.sessions.end(told, who.identity());
            session.end(&self.hub.peers, caller).await;
            let told = match ended {
                Some(named) => self.hub.replicas.end(named, self.sessions.clock()).await,
                None => Ok(()),
            };
            let unavailable =
                |refusal: Refusal| refusal.with_status(StatusCode::SERVICE_UNAVAILABLE).into_response();
            return Ok(told.map_or_else(unavailable, |()| empty(StatusCode::NO_CONTENT)));
        }
        let talk = self.talk(caller, Speech::Legacy(session.clone()));
        match talk.listen(&session).await {
            Err(refused) if refused.has_status(StatusCode::METHOD_NOT_ALLOWED) => Ok(not_allowed()),
            Err(refused) => refused.into_response(None),
            Ok(response) => Ok(response),
        }
    }

    /// Several messages at once, in a session of the version that has such.
    async fn batch(&self, caller: Caller<'_>, body: &Bytes) -> Result<Response<Body>, Refusal> {
        accepts(caller.headers, &["application/json", "text/event-stream"])?;
        is_json(caller.headers)?;
        let other = || Refusal::invalid_request("send one message at a time: only 2025-03-26 has batches");
        if Era::without_message(caller.headers)? == Era::Modern || !caller.headers.contains_key(SESSION) {
            return Err(other());
        }
        let session = Box::pin(self.session_of(caller)).await?;
        if session.greeting.version != batch::VERSION {
            return Err(other());
        }
        let messages = batch::read(body)?;
        Ok(self.talk(caller, Speech::Legacy(session)).answer_all(messages, &self.connect).await)
    }

    fn talk<'t>(&'t self, caller: Caller<'t>, speech: Speech) -> Talk<'t> {
        let authority = Authority::of(caller.who.identity());
        Talk { hub: &self.hub, caller, speech, authority }
    }

    /// Does what other replicas ask for, for as long as it is polled.
    pub(crate) async fn heed(&self) {
        replicas::heed(&self.hub, &self.sessions).await;
    }

    async fn session_of(&self, caller: Caller<'_>) -> Result<Arc<Session>, Refusal> {
        if !caller.headers.contains_key(SESSION) {
            return Err(Refusal::invalid_request(
                "open a session with `initialize` first, and name it in Mcp-Session-Id",
            ));
        }
        let told = only(caller.headers, &SESSION).ok_or_else(Refusal::no_session)?;
        let owner = caller.who.identity();
        if let Some(named) = self.sessions.unused(told, owner)
            && self.hub.replicas.have_ended(&named).await?
        {
            self.sessions.bury(&named);
        }
        let session = self.sessions.find(told, owner, self.hub.peers.len())?;
        if self.hub.replicas.are_several() {
            session.is_used_by(caller.who, caller.headers);
        }
        Ok(session)
    }

    /// Opens a session, and beneath it one with each backend: only they know what they can do.
    async fn initialize(
        &self,
        talk: &Talk<'_>,
        session: &Arc<Session>,
        message: &Message<'_>,
    ) -> Result<Response<Body>, Refused> {
        let Some(id) = message.id else {
            return Err(Refusal::invalid_request("`initialize` has an answer, so it needs an id").into());
        };
        if self.hub.replicas.are_several() {
            session.is_used_by(talk.caller.who, talk.caller.headers);
        }
        let mut greeting = session.greeting.clone();
        let mut said = talk.each(|peer| talk.hello_of(peer)).await.map_err(Refused::Token)?;
        let result = match said.pop() {
            Some((peer, said)) if self.hub.is_transparent() && !peer.is_modern() => {
                let said = said?;
                greeting.version = version_in(&said).unwrap_or(greeting.version);
                String::from_utf8_lossy(&said).into_owned()
            }
            last => {
                said.extend(last);
                Hellos::of(said)?.into_initialize(&greeting.version)
            }
        };
        let told = self.sessions.open(greeting, talk.caller.who.identity(), session.clone());
        let told = told.and_then(|told| HeaderValue::try_from(told).ok()).ok_or_else(Refusal::defect)?;
        let mut response = answer(id, &result);
        response.headers_mut().insert(SESSION, told);
        Ok(response)
    }
}

fn greeting_of(message: &Message<'_>, whole: bool) -> Result<Greeting, Refusal> {
    let params = &message.params;
    let asked = params.protocol_version.and_then(|version| serde_json::from_str::<&str>(version.get()).ok());
    // Whoever asks for a version that there is not here is offered the newest.
    let version = asked.filter(|asked| LEGACY.contains(asked)).unwrap_or("2025-11-25");
    let (Some(capabilities), Some(client)) = (params.capabilities, params.client_info) else {
        return Err(Refusal::invalid_params("`initialize` has to say `capabilities` and `clientInfo`")
            .with_status(StatusCode::OK));
    };
    if capabilities.get().len() + client.get().len() > MAX_GREETING {
        return Err(Refusal::invalid_params(
            "`capabilities` and `clientInfo` are longer than 4 KiB together",
        )
        .with_status(StatusCode::OK));
    }
    let relayed = if whole { abilities::whole } else { abilities::relayed };
    let capabilities = relayed(capabilities).map_err(|refusal| refusal.with_status(StatusCode::OK))?;
    Ok(Greeting { version: version.to_owned(), capabilities, client: client.to_owned() })
}

fn version_in(hello: &[u8]) -> Option<String> {
    let hello: serde_json::Value = serde_json::from_slice(hello).ok()?;
    hello.get("protocolVersion")?.as_str().map(str::to_owned)
}

/// Whether the client understands every form that an answer may have.
fn accepts(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Refusal> {
    let ranges: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let fits = |range: &String, kind: &str| {
        range == "*/*"
            || range == kind
            || range.strip_suffix('*').is_some_and(|group| group.ends_with('/') && kind.starts_with(group))
    };
    if wanted.iter().all(|kind| ranges.iter().any(|range| fits(range, kind))) {
        return Ok(());
    }
    let what = format!("accept has to list {}", wanted.join(" and "));
    Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, &what))
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let essence = only(headers, &header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type has to be application/json"))
}

fn not_allowed() -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}
