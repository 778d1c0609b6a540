//! What replicas of the gateway tell each other through the store that they share.
//!
//! Any of them resumes any session, because its id says everything. What is on its way is another matter: a backend's
//! question waits where it was asked, a request is cancelled where it runs, and a parked call goes on where it was
//! parked. So a message that another one may have to act on is told to all, and a call that is parked elsewhere is
//! relayed from there, piece by piece. Where no store is shared, the client is told to try again.

mod parts;
mod relayed;

use self::{
    parts::{Part, Parts},
    relayed::{Calls, Piece},
};
use super::{
    error::Refusal,
    kept::Named,
    message::Message,
    parked::Back,
    session::{Session, Sessions, random},
    talk::{Hub, Lasting, Speech},
};
use crate::{
    store::{self, Expect, Namespace, Notice, Store, Terms},
    task,
};
use axum::http::StatusCode;
use bytes::Bytes;
use countersign::{BoxError, clock::Clock};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// One replica, among others where there is a store that they share.
#[derive(Debug)]
pub(super) struct Replicas {
    /// What this one is called, in everything that it asks clients.
    me: Arc<str>,
    store: Option<Store>,
    /// How many words it has said.
    words: AtomicU64,
    calls: Calls,
}

#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// A session was ended.
    Over(Named),
    /// What a session's client said.
    Said { session: Named, text: String },
    /// A client came back to a call that is parked there.
    Back { call: String, back: Back },
    /// The piece of that number of what it comes to.
    Told { call: String, number: u64, piece: Piece },
    /// Nobody wants to hear more of it.
    Gone { call: String },
}

const WORDS: Namespace = Namespace::new("mcp-replicas");
const ENDED: Namespace = Namespace::new("mcp-sessions-ended");

/// How long it may take to do what another replica asks for.
const PATIENCE: Duration = Duration::from_secs(30);
/// After which the store is asked again that did not answer.
const A_WHILE: Duration = Duration::from_secs(1);

impl Replicas {
    /// `None` where this system has no randomness.
    pub(super) fn sharing(store: Option<Store>) -> Option<Self> {
        let me = random()?.into();
        Some(Self { me, store, words: AtomicU64::new(0), calls: Calls::default() })
    }

    pub(super) fn me(&self) -> &Arc<str> {
        &self.me
    }

    /// Whether there may be others that can be told anything.
    pub(super) fn are_several(&self) -> bool {
        self.store.is_some()
    }

    /// Whether a session that is not in use here was ended at another.
    pub(super) async fn have_ended(&self, session: &Named) -> Result<bool, Refusal> {
        let ended = self.remember_the_end_of(session).await;
        ended.map_err(|error| {
            tracing::warn!(%error, "nobody can say which sessions were ended");
            Refusal::try_again("sessions cannot be looked up at the moment")
        })
    }

    async fn remember_the_end_of(&self, session: &Named) -> Result<bool, store::Error> {
        let Some(store) = &self.store else { return Ok(false) };
        let found = store.get::<bool>(&ENDED.key(&[&session.text()])).await?;
        Ok(found.is_some())
    }

    /// Ends it everywhere.
    pub(super) async fn end(&self, session: Named, clock: &dyn Clock) -> Result<(), Refusal> {
        let Some(store) = &self.store else { return Ok(()) };
        let left = session.until.duration_since(clock.now()).unwrap_or_default();
        let (key, terms) = (ENDED.key(&[&session.text()]), Terms::lasting(left + PATIENCE));
        let told = match store.put(&key, &true, &terms, Expect::Anything).await {
            Ok(_) => self.tell(None, &Word::Over(session)).await,
            Err(error) => Err(error.into()),
        };
        told.map_err(|error| {
            tracing::warn!(%error, "the end of a session cannot be told to other replicas");
            Refusal::try_again("the session ended here, but not everywhere")
        })
    }

    /// Tells the others what the client of a session said, for what they may have on its way.
    pub(super) async fn pass_on(&self, session: &Session, text: &[u8]) -> Result<(), Refusal> {
        let (true, Some(session)) = (self.are_several(), session.name.get().cloned()) else { return Ok(()) };
        let text = String::from_utf8_lossy(text).into_owned();
        self.tell(None, &Word::Said { session, text }).await.map_err(|error| {
            tracing::warn!(%error, "what a client says cannot be told to other replicas");
            Refusal::try_again("this cannot be told to the replicas that it may concern")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
        })
    }

    async fn tell(&self, to: Option<&str>, word: &Word) -> Result<(), BoxError> {
        let Some(store) = &self.store else { return Ok(()) };
        let number = self.words.fetch_add(1, Ordering::Relaxed);
        for part in Part::of(word, number, &self.me, to)? {
            store.publish(WORDS, &part).await?;
        }
        Ok(())
    }
}

/// Does what the others ask for, for as long as it is polled; for ever where there are none.
pub(super) async fn heed(hub: &Arc<Hub>, sessions: &Sessions) {
    let Some(store) = &hub.replicas.store else { return std::future::pending().await };
    let mut words = loop {
        match store.listen::<Part>(WORDS).await {
            Ok(words) => break words,
            Err(error) => {
                tracing::error!(%error, "what other replicas say cannot be heard");
                sleep(A_WHILE).await;
            }
        }
    };
    let mut parts = Parts::default();
    let mut catching_up = Box::pin(catch_up(hub, sessions)).fuse();
    loop {
        let notice = tokio::select! {
            notice = words.next() => notice,
            () = &mut catching_up => continue,
        };
        match notice {
            Notice::Message(part) if *part.from == *hub.replicas.me => {}
            Notice::Message(part) if part.to.as_deref().is_some_and(|to| *to != *hub.replicas.me) => {}
            Notice::Message(part) => {
                let from = part.from.clone();
                if let Some(word) = parts.add(part, Instant::now()) {
                    hear(hub, sessions, from, word);
                }
            }
            Notice::Missed => {
                parts.forget();
                hub.replicas.calls.lose();
                catching_up = Box::pin(catch_up(hub, sessions)).fuse();
            }
        }
    }
}

/// Ends what was ended elsewhere while nobody here listened.
async fn catch_up(hub: &Arc<Hub>, sessions: &Sessions) {
    for session in sessions.in_use() {
        let is_over = loop {
            match hub.replicas.remember_the_end_of(&session).await {
                Ok(is_over) => break is_over,
                Err(_) => sleep(A_WHILE).await,
            }
        };
        if is_over {
            end(hub, sessions, &session);
        }
    }
}

fn hear(hub: &Arc<Hub>, sessions: &Sessions, from: String, word: Word) {
    match word {
        Word::Over(session) => end(hub, sessions, &session),
        Word::Said { session, text } => {
            if let Some(session) = sessions.used(&session)
                && let Some(lasting) = lasting(hub, &session)
            {
                task::beside(PATIENCE, act_on(lasting, text.into()));
            }
        }
        Word::Back { call, back } => relayed::relay(hub.clone(), call, from, back),
        Word::Told { call, number, piece } => hub.replicas.calls.hear(&call, number, piece),
        Word::Gone { call } => hub.replicas.calls.end(&call),
    }
}

/// Ends a session here that was ended elsewhere, and those with backends beneath it.
fn end(hub: &Arc<Hub>, sessions: &Sessions, named: &Named) {
    let session = sessions.used(named);
    sessions.bury(named);
    if let Some(session) = session
        && let Some(lasting) = lasting(hub, &session)
    {
        task::beside(PATIENCE, async move {
            let talk = lasting.talk();
            session.end(&talk.hub.peers, talk.caller).await;
        });
    }
}

/// What may be done for whoever used a session last.
fn lasting(hub: &Arc<Hub>, session: &Arc<Session>) -> Option<Lasting> {
    Some(Lasting::of(hub.clone(), session.latest()?, Speech::Legacy(session.clone())))
}

/// Does for a session what its client said to another replica.
async fn act_on(lasting: Lasting, text: Bytes) {
    let talk = lasting.talk();
    if let Ok(message) = Message::parse(&text)
        && talk.answer_here(&message, &text).await.is_err()
    {
        let method = message.method.as_deref();
        tracing::warn!(method, "a backend does not take what a client said to another replica");
    }
}
