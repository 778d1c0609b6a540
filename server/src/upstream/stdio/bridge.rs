//! Requests of Streamable HTTP, answered by processes.

use super::{
    answer::{Waiting, everything, message, status},
    backoff::{Backoff, Unavailable},
    board::What,
    message::About,
    process::{Ended, Process},
    shared::{Found, Shared},
};
use crate::config::program::Program;
use aws_lc_rs::rand;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

/// Speaks to a program. Clones are the same.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Bridge(Arc<Programs>);

/// The processes of one program.
#[derive(Debug)]
pub(super) struct Programs {
    name: Arc<str>,
    program: Program,
    pub(super) backoff: Backoff,
    pub(super) shared: Shared,
    sessions: Mutex<HashMap<String, Arc<Process>>>,
    /// What is done beside requests; `None` once nothing is started any more.
    beside: Mutex<Option<JoinSet<()>>>,
    all_told: watch::Sender<bool>,
}

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MODERN: &str = "2026-07-28";
/// For how long a session's process stays that nobody uses.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How long all of them may take to end, which each of them does faster by itself.
const TO_END: Duration = Duration::from_secs(9);

impl Bridge {
    pub(in crate::upstream) fn new(name: Arc<str>, program: Program) -> Self {
        Self(Arc::new(Programs {
            name,
            program,
            backoff: Backoff::default(),
            shared: Shared::default(),
            sessions: Mutex::default(),
            beside: Mutex::new(Some(JoinSet::new())),
            all_told: watch::Sender::new(false),
        }))
    }

    /// What a server of Streamable HTTP would answer.
    pub(in crate::upstream) async fn call(
        &self,
        method: Method,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response<Body>, Unavailable> {
        let session = headers.get(SESSION).and_then(|value| value.to_str().ok());
        if method == Method::POST {
            let Some(about) = About::read(body) else {
                return Ok(status(StatusCode::BAD_REQUEST, "no message"));
            };
            return match session {
                Some(session) => self.0.in_session(session, &about, body).await,
                None if headers.get(VERSION).is_some_and(|version| version == MODERN) => {
                    self.0.stateless(&about, body).await
                }
                None if about.method.as_deref() == Some("initialize") => self.0.open(&about, body).await,
                None => Ok(status(StatusCode::BAD_REQUEST, "no session")),
            };
        }
        let no_session = || status(StatusCode::NOT_FOUND, "no such session");
        let Some(session) = session else { return Ok(no_session()) };
        if method == Method::DELETE {
            let Some(process) = self.0.sessions().remove(session) else { return Ok(no_session()) };
            process.end();
            return Ok(status(StatusCode::NO_CONTENT, ""));
        }
        let Some(process) = self.0.sessions().get(session).cloned() else { return Ok(no_session()) };
        let heard = process.listen().map(everything);
        Ok(heard.unwrap_or_else(|| status(StatusCode::NOT_FOUND, "the session is over")))
    }

    /// Ends every process, and starts none any more.
    pub(in crate::upstream) async fn close(&self) {
        let beside = self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut beside) = beside else { return };
        self.0.all_told.send_replace(true);
        let ended = async { while beside.join_next().await.is_some() {} };
        if tokio::time::timeout(TO_END, ended).await.is_err() {
            tracing::warn!(backend = self.0.name(), "has processes that do not end");
        }
    }
}

impl Programs {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Does something that no request waits for.
    pub(super) fn do_beside(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let beside = beside.as_mut().ok_or_else(|| Unavailable::now("is not started any more"))?;
        while beside.try_join_next().is_some() {}
        beside.spawn(work);
        Ok(())
    }

    /// Starts a process, which is one session's where it ends when that is `idle`.
    pub(super) fn start(
        &self,
        idle: Option<Duration>,
        ended: impl FnOnce(&Arc<Process>, &Ended) + Send + 'static,
    ) -> Result<Arc<Process>, Unavailable> {
        let started = Process::start(&self.program, &self.name, idle, self.all_told.subscribe());
        let (process, keeper) = started.map_err(|error| {
            tracing::warn!(backend = self.name(), %error, "cannot be started");
            self.failed("cannot be started", Duration::ZERO)
        })?;
        let process = Arc::new(process);
        let (name, kept) = (self.name.clone(), process.clone());
        self.do_beside(async move {
            let end = keeper.keep().await;
            let status = end.status.map(|status| status.to_string()).unwrap_or_default();
            let seconds = end.after.as_secs();
            match end.told {
                true => tracing::debug!(backend = &*name, status, seconds, "ended"),
                false => tracing::warn!(backend = &*name, status, seconds, "ended of its own accord"),
            }
            ended(&kept, &end);
        })?;
        Ok(process)
    }

    /// Notes that it ended after so long, which nobody wanted.
    pub(super) fn failed(&self, what: &'static str, after: Duration) -> Unavailable {
        Unavailable { what, again: self.backoff.ended(what, after) }
    }

    async fn stateless(self: &Arc<Self>, about: &About, body: &[u8]) -> Result<Response<Body>, Unavailable> {
        let process = match self.shared.find(self).await? {
            Found::Process(process) => process,
            // In no words of MCP: that says that the other era is spoken here.
            Found::WithSessions => return Ok(status(StatusCode::BAD_REQUEST, "open a session")),
        };
        let (Some(id), Some(method)) = (&about.id, &about.method) else {
            let told = process.say(body).map(|()| status(StatusCode::ACCEPTED, ""));
            return told.ok_or_else(|| Unavailable::now("does not read what it is told"));
        };
        let waiting = Waiting::on(&process, id, method, body);
        let waiting = waiting.ok_or_else(|| Unavailable::now("does not read what it is told"))?;
        Ok(waiting.cancelled_when_left().respond().await)
    }

    /// Opens a session, which is a process that has been greeted.
    async fn open(self: &Arc<Self>, about: &About, body: &[u8]) -> Result<Response<Body>, Unavailable> {
        self.backoff.pass().await?;
        self.make_room()?;
        let id = random().ok_or_else(|| Unavailable::now("cannot be told apart without randomness"))?;
        let (named, programs) = (id.clone(), self.clone());
        let process = self.start(Some(IDLE), move |_, end| {
            programs.sessions().remove(&named);
            if !end.told {
                programs.failed("ended", end.after);
            }
        })?;
        let opening = Opening(&process);
        let greeting = about.id.as_deref().and_then(|id| Waiting::on(&process, id, "initialize", body));
        let mut greeting = greeting.ok_or_else(|| Unavailable::now("does not read what it is told"))?;
        let answer = loop {
            match greeting.hear().await {
                Some(said) if said.what == What::Notice => {}
                answer => break answer,
            }
        };
        let Some(answer) = answer.filter(|answer| answer.what != What::Ended) else {
            self.shared.forget();
            return Err(Unavailable::now("ended"));
        };
        if answer.what != What::Result {
            self.shared.forget();
            return Ok(message(StatusCode::OK, answer.text));
        }
        std::mem::forget(opening);
        self.sessions().insert(id.clone(), process.clone());
        if process.is_over() {
            self.sessions().remove(&id);
        }
        let mut response = message(StatusCode::OK, answer.text);
        response.headers_mut().extend(HeaderValue::try_from(id).ok().map(|id| (SESSION, id)));
        Ok(response)
    }

    async fn in_session(
        &self,
        session: &str,
        about: &About,
        body: &[u8],
    ) -> Result<Response<Body>, Unavailable> {
        let over = || status(StatusCode::NOT_FOUND, "the session is over");
        let Some(process) = self.sessions().get(session).cloned() else { return Ok(over()) };
        if let (Some(id), Some(method)) = (&about.id, &about.method) {
            return Ok(match Waiting::on(&process, id, method, body) {
                Some(waiting) => waiting.respond().await,
                None => over(),
            });
        }
        if process.say(body).is_none() {
            return Ok(over());
        }
        if let (Some("notifications/cancelled"), Some(id)) = (about.method.as_deref(), &about.cancels) {
            process.leave(id);
        }
        Ok(status(StatusCode::ACCEPTED, ""))
    }

    /// Ends the session that was used longest ago, where one more would be too many.
    fn make_room(&self) -> Result<(), Unavailable> {
        let mut sessions = self.sessions();
        if sessions.len() < self.program.most {
            return Ok(());
        }
        let idle = sessions.iter().filter_map(|(id, process)| Some((process.idle_since()?, id)));
        let Some(oldest) = idle.min().map(|(_, id)| id.clone()) else {
            return Err(Unavailable::now("runs as often as `max_processes` lets it, and is busy"));
        };
        if let Some(process) = sessions.remove(&oldest) {
            process.end();
        }
        Ok(())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Process>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that ends with this, unless it has become a session's.
struct Opening<'p>(&'p Process);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn random() -> Option<String> {
    let mut id = [0; 16];
    rand::fill(&mut id).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(id))
}
