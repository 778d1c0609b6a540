//! Sessions of clients that open one.
//!
//! A session's id holds what the session is, sealed for whoever opened it: whoever has the key resumes it, and nothing
//! needs to be kept. What is kept all the same (the lines to backends, what is on its way) is made anew where it is
//! missing.

use super::{error::Refusal, flights::Flights, line::Lines, questions::Questions};
use crate::store::{Seal, SealingKey};
use aws_lc_rs::{
    digest::{Context, SHA256},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::{clock::Clock, proof::Identity};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// Opens sessions, and finds those that are open.
#[derive(Debug)]
pub(super) struct Sessions {
    seal: Seal,
    lifetime: Duration,
    idle: Duration,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// One session: what was agreed, and what is kept for it here.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) greeting: Greeting,
    pub(super) lines: Lines,
    pub(super) flights: Arc<Flights>,
    pub(super) questions: Questions,
}

/// How a client introduced itself, and the version that was agreed on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) capabilities: Box<RawValue>,
    pub(super) client: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Told {
    id: String,
    /// In seconds since 1970.
    until: u64,
    greeting: Greeting,
}

#[derive(Debug, Default)]
struct Known {
    live: HashMap<String, (Arc<Session>, SystemTime)>,
    /// Those that were ended before their time, until then.
    ended: HashMap<String, SystemTime>,
}

/// How many are added before somebody looks which can go.
const SWEEP: usize = 256;

impl Sessions {
    pub(super) fn new(seal: Seal, lifetime: Duration, idle: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { seal, lifetime, idle, clock, known: Mutex::default() }
    }

    /// Opens a session for `owner`; its id, which only `owner` can use.
    pub(super) fn open(&self, greeting: Greeting, owner: &Identity, session: Arc<Session>) -> Option<String> {
        let now = self.clock.now();
        let id = random()?;
        let until = now + self.lifetime;
        let seconds = until.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let told = Told { id: id.clone(), until: seconds, greeting };
        let told = Zeroizing::new(serde_json::to_vec(&told).ok()?);
        let sealed = self.seal.seal(&place(owner), told).ok()?;
        let mut known = self.known();
        known.live.insert(id, (session, now));
        if known.live.len().is_multiple_of(SWEEP) {
            known.live.retain(|_, (_, used)| *used + self.idle > now);
            known.ended.retain(|_, until| *until > now);
        }
        Some(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The session that a client was told of as `told`, with as many backends, if it is `owner`'s and not over.
    pub(super) fn find(&self, told: &str, owner: &Identity, peers: usize) -> Result<Arc<Session>, Refusal> {
        let now = self.clock.now();
        let (id, until, greeting) = self.opened(told, owner).ok_or_else(Refusal::no_session)?;
        let mut known = self.known();
        if until <= now || known.ended.contains_key(&id) {
            return Err(Refusal::no_session());
        }
        if let Some((session, used)) = known.live.get_mut(&id) {
            if *used + self.idle > now {
                *used = now;
                return Ok(session.clone());
            }
            known.live.remove(&id);
            known.ended.insert(id, until);
            return Err(Refusal::no_session());
        }
        let session = Arc::new(Session::new(greeting, peers));
        known.live.insert(id, (session.clone(), now));
        Ok(session)
    }

    /// Ends it: from now on nobody finds it here.
    pub(super) fn end(&self, told: &str, owner: &Identity) {
        if let Some((id, until, _)) = self.opened(told, owner) {
            let mut known = self.known();
            known.live.remove(&id);
            known.ended.insert(id, until);
        }
    }

    fn opened(&self, told: &str, owner: &Identity) -> Option<(String, SystemTime, Greeting)> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(told).ok()?;
        let told = self.seal.open(&place(owner), &sealed).ok()?;
        let Told { id, until, greeting } = serde_json::from_slice(&told).ok()?;
        Some((id, UNIX_EPOCH.checked_add(Duration::from_secs(until))?, greeting))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn new(greeting: Greeting, peers: usize) -> Self {
        Self { greeting, lines: Lines::to(peers), flights: Arc::default(), questions: Questions::default() }
    }
}

/// A key that ends with this process.
pub(super) fn passing_key() -> Option<SealingKey> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(&mut *key).ok()?;
    SealingKey::new(&key).ok()
}

/// Who somebody is, and through which client: what a session is bound to.
pub(super) fn place(owner: &Identity) -> String {
    let client = ["azp", "client_id"].iter().find_map(|name| owner.claim(name)?.as_str());
    let mut context = Context::new(&SHA256);
    for part in [owner.issuer(), owner.subject(), client.unwrap_or_default()] {
        // Its length keeps each part apart from the next.
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    format!("mcp session of {}", BASE64_URL_SAFE_NO_PAD.encode(context.finish()))
}

pub(super) fn random() -> Option<String> {
    let mut id = [0; 16];
    rand::fill(&mut id).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(id))
}
