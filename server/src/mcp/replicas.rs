//! What replicas of the gateway tell each other through the store that they share.
//!
//! Any of them resumes any session, because its id says everything. What is on its way is another matter: a backend's
//! question waits where it was asked, a request is cancelled where it runs, and a parked call goes on where it was
//! parked. So a message that another one may have to act on is told to all, and a call that is parked elsewhere is
//! relayed from there, piece by piece. Where no store is shared, the client is told to try again.

use super::{
    error::{Refusal, Refused},
    kept::Named,
    message::Message,
    parked::Back,
    session::{Session, Sessions, random},
    sse::{Event, Mouth},
    talk::{Hub, Lasting, Speech},
};
use crate::{
    store::{Expect, Namespace, Notice, Store, Terms},
    task,
};
use axum::{body::Body, http::Response};
use bytes::Bytes;
use countersign::clock::Clock;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// One replica, among others where there is a store that they share.
#[derive(Debug)]
pub(super) struct Replicas {
    /// What this one is called, in everything that it asks clients.
    me: Arc<str>,
    store: Option<Store>,
    /// Calls that go on elsewhere, and whose pieces come here.
    awaited: Mutex<HashMap<String, mpsc::UnboundedSender<Piece>>>,
    /// Calls that go on here, for a client that is elsewhere; it hears when that is gone.
    relayed: Mutex<HashMap<String, mpsc::Sender<()>>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// A session was ended.
    Over(Named),
    /// What a session's client said.
    Said { by: String, session: Named, text: String },
    /// A client came back to a call that `to` has parked.
    Back { to: String, call: String, from: String, back: Back },
    /// Some of what it comes to.
    Told { to: String, call: String, piece: Piece },
    /// Nobody wants to hear more of it.
    Gone { to: String, call: String },
}

#[derive(Debug, Serialize, Deserialize)]
enum Piece {
    /// There is no such call.
    Nothing,
    Event(String),
    End,
}

const WORDS: Namespace = Namespace::new("mcp-replicas");
const ENDED: Namespace = Namespace::new("mcp-sessions-ended");

/// How long another replica may take to take up a call, and anything else.
const PROMPT: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
/// No token of a caller lasts longer, and no call does without.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Replicas {
    /// `None` where this system has no randomness.
    pub(super) fn sharing(store: Option<Store>) -> Option<Self> {
        let me = random()?.into();
        Some(Self { me, store, awaited: Mutex::default(), relayed: Mutex::default() })
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
        let Some(store) = &self.store else { return Ok(false) };
        let found = store.get::<bool>(&ENDED.key(&[&session.text()])).await;
        found.map(|found| found.is_some()).map_err(|error| {
            tracing::warn!(%error, "nobody can say which sessions were ended");
            Refusal::try_again("sessions cannot be looked up at the moment")
        })
    }

    /// Ends it everywhere.
    pub(super) async fn end(&self, session: Named, clock: &dyn Clock) -> Result<(), Refusal> {
        let Some(store) = &self.store else { return Ok(()) };
        let left = session.until.duration_since(clock.now()).unwrap_or_default();
        let (key, terms) = (ENDED.key(&[&session.text()]), Terms::lasting(left + PATIENCE));
        if let Err(error) = store.put(&key, &true, &terms, Expect::Anything).await {
            tracing::warn!(%error, "the end of a session cannot be told to other replicas");
            return Err(Refusal::try_again("the session ended here, but not everywhere"));
        }
        self.tell(&Word::Over(session)).await;
        Ok(())
    }

    /// Tells the others what the client of a session said, for what they may have on its way.
    pub(super) async fn pass_on(&self, session: &Session, text: &[u8]) {
        let (true, Some(session)) = (self.are_several(), session.name.get().cloned()) else { return };
        let text = String::from_utf8_lossy(text).into_owned();
        self.tell(&Word::Said { by: self.me.to_string(), session, text }).await;
    }

    /// Lets a call go on at `to`, where it is parked; what it comes to.
    pub(super) async fn go_back(self: &Arc<Self>, to: &str, back: Back) -> Result<Response<Body>, Refused> {
        let gone = || Refusal::try_again("this call is parked at another replica, or ended with it");
        if !self.are_several() {
            return Err(gone().into());
        }
        let call = random().ok_or_else(Refusal::defect)?;
        let (piece, mut pieces) = mpsc::unbounded_channel();
        lock(&self.awaited).insert(call.clone(), piece);
        let awaiting = Awaiting { replicas: self.clone(), to: to.to_owned(), call: call.clone() };
        self.tell(&Word::Back { to: to.to_owned(), call, from: self.me.to_string(), back }).await;
        let first = match tokio::time::timeout(PROMPT, pieces.recv()).await {
            Ok(Some(Piece::Event(first))) => first,
            Ok(Some(Piece::Nothing)) => return Err(Back::unknown().into()),
            Ok(Some(Piece::End) | None) | Err(_) => return Err(gone().into()),
        };
        Ok(super::forward::streaming(Mouth::speaking(async move |mouth| {
            let _awaiting = awaiting;
            let mut next = Some(Piece::Event(first));
            while let Some(Piece::Event(text)) = next {
                if mouth.pass(text.into()).await.is_none() {
                    return;
                }
                next = pieces.recv().await;
            }
        })))
    }

    async fn tell(&self, word: &Word) {
        if let Some(store) = &self.store
            && let Err(error) = store.publish(WORDS, word).await
        {
            tracing::warn!(%error, "other replicas cannot be told anything");
        }
    }
}

/// Does what the others ask for, for as long as it is polled; for ever where there are none.
pub(super) async fn heed(hub: &Arc<Hub>, sessions: &Sessions) {
    let Some(store) = &hub.replicas.store else { return std::future::pending().await };
    loop {
        match store.listen::<Word>(WORDS).await {
            Ok(mut words) => loop {
                match words.next().await {
                    Notice::Message(word) => hear(hub, sessions, word),
                    Notice::Missed => {
                        // Pieces of calls are among it, perhaps.
                        lock(&hub.replicas.awaited).clear();
                        break;
                    }
                }
            },
            Err(error) => {
                tracing::error!(%error, "what other replicas say cannot be heard");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        for session in sessions.in_use() {
            if hub.replicas.have_ended(&session).await.unwrap_or(false) {
                sessions.bury(&session);
            }
        }
    }
}

fn hear(hub: &Arc<Hub>, sessions: &Sessions, word: Word) {
    let me = |to: &str| *to == *hub.replicas.me;
    match word {
        Word::Over(session) => sessions.bury(&session),
        Word::Said { by, session, text } if !me(&by) => {
            let Some(session) = sessions.used(&session) else { return };
            let Some(latest) = session.latest() else { return };
            let lasting = Lasting::of(hub.clone(), latest, Speech::Legacy(session));
            task::beside(PATIENCE, act_on(lasting, text.into()));
        }
        Word::Back { to, call, from, back } if me(&to) => {
            task::beside(LONGEST, relay(hub.clone(), call, from, back));
        }
        Word::Told { to, call, piece } if me(&to) => {
            let mut awaited = lock(&hub.replicas.awaited);
            if awaited.get(&call).is_some_and(|pieces| pieces.send(piece).is_err()) {
                awaited.remove(&call);
            }
        }
        Word::Gone { to, call } if me(&to) => {
            lock(&hub.replicas.relayed).remove(&call);
        }
        Word::Said { .. } | Word::Back { .. } | Word::Told { .. } | Word::Gone { .. } => {}
    }
}

/// Does for a session what its client said to another replica.
async fn act_on(lasting: Lasting, text: Bytes) {
    let talk = lasting.talk();
    if let Ok(message) = Message::parse(&text)
        && talk.answer_here(&message, &text).await.is_err()
    {
        tracing::info!("a backend did not take what a client said to another replica");
    }
}

/// Goes on with a call, and tells the replica that the client came to.
async fn relay(hub: Arc<Hub>, call: String, to: String, back: Back) {
    let (tell_gone, mut gone) = mpsc::channel(1);
    lock(&hub.replicas.relayed).insert(call.clone(), tell_gone);
    let told = |piece| {
        let (to, call) = (to.clone(), call.clone());
        let hub = &hub;
        async move { hub.replicas.tell(&Word::Told { to, call, piece }).await }
    };
    let relaying = async {
        match hub.parked.go_on(&back).await {
            None => told(Piece::Nothing).await,
            Some(Ok(response)) => {
                let mut events = response.into_body().into_data_stream();
                while let Some(Ok(event)) = events.next().await {
                    told(Piece::Event(String::from_utf8_lossy(&event).into_owned())).await;
                }
                told(Piece::End).await;
            }
            Some(Err(refused)) => {
                let text = back.refused(refused).await;
                told(Piece::Event(String::from_utf8_lossy(&Event::saying(&text).into_bytes()).into_owned()))
                    .await;
                told(Piece::End).await;
            }
        }
    };
    tokio::select! {
        () = relaying => {}
        // Dropping what goes on tells the backend.
        _ = gone.recv() => {}
    }
    lock(&hub.replicas.relayed).remove(&call);
}

/// A client that waits here for what comes from elsewhere.
#[derive(Debug)]
struct Awaiting {
    replicas: Arc<Replicas>,
    to: String,
    call: String,
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        lock(&self.replicas.awaited).remove(&self.call);
        let (replicas, word) =
            (self.replicas.clone(), Word::Gone { to: self.to.clone(), call: self.call.clone() });
        task::beside(PATIENCE, async move { replicas.tell(&word).await });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
