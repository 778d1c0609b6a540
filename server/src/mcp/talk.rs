//! What somebody wants of the backends, and the way to each of them in an era that it speaks.

use super::{
    abilities,
    before::Before,
    catalog::Catalogues,
    error::{Refusal, Refused},
    flights::fresh,
    message::Message,
    names::{METHOD, NAME, VERSION, encoded},
    naming::Naming,
    parked::Parked,
    peer::{Caller, Peer, Request, Said},
    pool::{Authority, Pool},
    replicas::Replicas,
    session::{Greeting, Latest, Session},
    tasks::Tasks,
};
use crate::config::{access::Access, endpoint::Lists};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use countersign::proof::Authenticated;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The version that needs no session.
pub(super) const MODERN: &str = "2026-07-28";

/// All backends, and how they are one.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) peers: Vec<Peer>,
    pub(super) naming: Naming,
    pub(super) lists: Lists,
    pub(super) access: Access,
    /// Whether clients see tools that find and call the others, in place of these.
    pub(super) searches: bool,
    pub(super) catalogues: Arc<Catalogues>,
    pub(super) before: Before,
    pub(super) pool: Pool,
    pub(super) parked: Parked,
    pub(super) tasks: Arc<Tasks>,
    pub(super) replicas: Arc<Replicas>,
}

/// One request of a client's, and everything that may be done for it.
#[derive(Debug)]
pub(super) struct Talk<'t> {
    pub(super) hub: &'t Arc<Hub>,
    pub(super) caller: Caller<'t>,
    pub(super) speech: Speech,
    pub(super) authority: Authority,
}

/// The same for as long as somebody wants it.
#[derive(Clone, Debug)]
pub(super) struct Lasting {
    hub: Arc<Hub>,
    who: Authenticated,
    headers: HeaderMap,
    speech: Speech,
    authority: Authority,
}

/// How a client speaks.
#[derive(Clone, Debug)]
pub(super) enum Speech {
    /// Every request says what the client can.
    Modern { capabilities: Box<RawValue>, client: Box<RawValue> },
    /// It has a session.
    Legacy(Arc<Session>),
}

/// How a backend is spoken to.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Stateless,
    Line(Arc<Session>),
}

impl Hub {
    /// Whether there is nothing to tell apart: then the only backend hears what clients say.
    pub(super) fn is_transparent(&self) -> bool {
        let seen_whole = |peer: &Peer| peer.tools.change_nothing();
        !self.searches
            && self.naming.is_plain()
            && self.access.is_open()
            && self.peers.len() == 1
            && self.peers.iter().all(seen_whole)
    }

    pub(super) fn peer(&self, place: usize) -> Result<&Peer, Refusal> {
        self.peers.get(place).ok_or_else(Refusal::no_session)
    }
}

impl Speech {
    /// As a modern message says it of its client; `whole` where everything is relayed that a client can.
    pub(super) fn modern(message: &Message<'_>, whole: bool) -> Result<Self, Refusal> {
        let meta = message.params.meta.as_ref();
        let capabilities = meta.and_then(|meta| meta.capabilities);
        let relayed = if whole { abilities::whole } else { abilities::relayed_without_session };
        let capabilities = capabilities.map(relayed).transpose()?;
        let client = meta.and_then(|meta| meta.client).map(ToOwned::to_owned);
        let nothing = || RawValue::from_string("{}".to_owned());
        let unnamed = || RawValue::from_string(r#"{"name":"unknown","version":"0"}"#.to_owned());
        let capabilities = capabilities.map_or_else(nothing, Ok);
        let client = client.map_or_else(unnamed, Ok);
        match (capabilities, client) {
            (Ok(capabilities), Ok(client)) => Ok(Self::Modern { capabilities, client }),
            _ => Err(Refusal::parse_error()),
        }
    }

    /// What the client can do.
    pub(super) fn capabilities(&self) -> &RawValue {
        match self {
            Self::Modern { capabilities, .. } => capabilities,
            Self::Legacy(session) => &session.greeting.capabilities,
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self, Self::Modern { .. })
    }

    /// What a request without a session says of its client, as members of `_meta`.
    pub(super) fn as_meta(&self) -> String {
        let (capabilities, client) = match self {
            Self::Modern { capabilities, client } => (capabilities, client),
            Self::Legacy(session) => (&session.greeting.capabilities, &session.greeting.client),
        };
        let level = match self {
            Self::Modern { .. } => None,
            Self::Legacy(session) => session.lines.level(),
        };
        let level =
            level.map(|level| format!(r#","io.modelcontextprotocol/logLevel":{level}"#)).unwrap_or_default();
        // Across eras less is relayed; of an object, which it is since somebody looked when the session was opened.
        let across = match self {
            Self::Modern { .. } => None,
            Self::Legacy(_) => abilities::relayed(capabilities).ok(),
        };
        format!(
            r#""io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{}{level}"#,
            across.as_ref().unwrap_or(capabilities).get(),
            client.get(),
        )
    }

    /// The same as `initialize` says it.
    fn greeting(&self) -> Result<Greeting, Refusal> {
        Ok(match self {
            Self::Modern { capabilities, client } => Greeting {
                version: "2025-11-25".to_owned(),
                capabilities: abilities::relayed(capabilities)?,
                client: client.clone(),
            },
            Self::Legacy(session) => session.greeting.clone(),
        })
    }
}

impl Lasting {
    /// For whoever used a session last.
    pub(super) fn of(hub: Arc<Hub>, latest: Latest, speech: Speech) -> Self {
        let Latest { who, headers } = latest;
        let authority = Authority::of(who.identity());
        Self { hub, who, headers, speech, authority }
    }

    pub(super) fn talk(&self) -> Talk<'_> {
        let caller = Caller { who: &self.who, headers: &self.headers };
        Talk { hub: &self.hub, caller, speech: self.speech.clone(), authority: self.authority }
    }
}

impl Talk<'_> {
    /// The same beyond the request.
    pub(super) fn lasting(&self) -> Lasting {
        Lasting {
            hub: self.hub.clone(),
            who: self.caller.who.clone(),
            headers: self.caller.headers.clone(),
            speech: self.speech.clone(),
            authority: self.authority,
        }
    }

    /// The way to `peer`: the client's own era where the backend speaks it.
    pub(super) async fn way(&self, peer: &Peer) -> Result<Way, Refused> {
        match &self.speech {
            Speech::Modern { .. } if peer.is_legacy() => {
                let session = self.bridge()?;
                match session.line(peer, self.caller).await {
                    Ok(_) => Ok(Way::Line(session)),
                    Err(refused) if refused.may_mean_modern() => {
                        peer.may_have_changed();
                        Ok(Way::Stateless)
                    }
                    Err(refused) => Err(refused),
                }
            }
            Speech::Modern { .. } => Ok(Way::Stateless),
            Speech::Legacy(_) if peer.is_modern() => Ok(Way::Stateless),
            Speech::Legacy(session) => match session.line(peer, self.caller).await {
                Ok(_) => Ok(Way::Line(session.clone())),
                Err(refused) if refused.may_mean_modern() && self.discover(peer).await.is_ok() => {
                    peer.has_turned_out_modern();
                    Ok(Way::Stateless)
                }
                Err(refused) => Err(refused),
            },
        }
    }

    /// The other way to `peer`, where it refused what came without a session because it knows only those.
    pub(super) async fn other_way(&self, peer: &Peer, refused: Refused) -> Result<Way, Refused> {
        match &self.speech {
            Speech::Modern { .. } if refused.may_mean_legacy() && !peer.is_legacy() => {
                let session = self.bridge()?;
                if session.line(peer, self.caller).await.is_err() {
                    return Err(refused);
                }
                peer.has_turned_out_legacy();
                Ok(Way::Line(session))
            }
            Speech::Legacy(_) if peer.is_modern() && refused.may_mean_legacy() => {
                peer.may_have_changed();
                Err(refused)
            }
            Speech::Modern { .. } | Speech::Legacy(_) => Err(refused),
        }
    }

    /// Asks `peer` something for ourselves: the result of `method` with these members as `params`.
    pub(super) async fn ask(&self, peer: &Peer, method: &str, members: &str) -> Result<Bytes, Refused> {
        match self.way(peer).await? {
            Way::Stateless => match self.ask_stateless(peer, method, members).await {
                Ok(result) => Ok(result),
                Err(refused) => match self.other_way(peer, refused).await? {
                    Way::Line(session) => self.ask_on_line(&session, peer, method, members).await,
                    Way::Stateless => self.ask_stateless(peer, method, members).await,
                },
            },
            Way::Line(session) => self.ask_on_line(&session, peer, method, members).await,
        }
    }

    /// The session with which backends that need one are spoken to for this client.
    fn bridge(&self) -> Result<Arc<Session>, Refusal> {
        Ok(self.hub.pool.session(&self.authority, self.speech.greeting()?, self.hub.peers.len()))
    }

    pub(super) async fn discover(&self, peer: &Peer) -> Result<Bytes, Refused> {
        self.ask_stateless(peer, "server/discover", "").await
    }

    async fn ask_stateless(&self, peer: &Peer, method: &str, members: &str) -> Result<Bytes, Refused> {
        let id = fresh();
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{{}}}{comma}{members}}}}}"#,
            self.speech.as_meta()
        );
        let request = Request::posting(modern_headers(method, None), body);
        peer.post(self.caller, request).await?.result(id, peer).await
    }

    pub(super) async fn ask_on_line(
        &self,
        session: &Session,
        peer: &Peer,
        method: &str,
        members: &str,
    ) -> Result<Bytes, Refused> {
        let id = fresh();
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}}}}}"#);
        let said: Said = session.post(peer, self.caller, None, body.into()).await?;
        said.result(id, peer).await
    }
}

/// The headers of a request without a session.
pub(super) fn modern_headers(method: &str, subject: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(MODERN));
    headers.extend(HeaderValue::try_from(method).ok().map(|method| (METHOD, method)));
    headers.extend(subject.and_then(encoded).map(|subject| (NAME, subject)));
    headers
}
