//! Sessions with backends for clients that have none.

use super::session::{Greeting, Session};
use aws_lc_rs::digest::{Context, SHA256};
use countersign::{clock::Clock, proof::Identity};
use secrecy::ExposeSecret;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// Everything that decides what a caller may do, as one value: what is kept for one is never another's.
///
/// The token itself is in it, so a caller who was given another role with a new token is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Authority([u8; 32]);

/// Sessions that are used again by whoever has the same authority and greets the same way.
#[derive(Debug)]
pub(super) struct Pool {
    sessions: Mutex<HashMap<Key, (Arc<Session>, SystemTime)>>,
    clock: Arc<dyn Clock>,
}

/// Who, and how they greet.
type Key = (Authority, [u8; 32]);

/// How long a session is kept that nobody uses, and how many there may be.
const IDLE: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 10_000;

impl Authority {
    pub(super) fn of(identity: &Identity) -> Self {
        let token = identity.token().map(|token| token.expose_secret()).unwrap_or_default();
        Self(hash(&[identity.issuer(), identity.subject(), token]))
    }
}

impl Pool {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { sessions: Mutex::default(), clock }
    }

    /// The session of whoever has this authority and greets like this, with as many backends.
    pub(super) fn session(&self, authority: &Authority, greeting: Greeting, peers: usize) -> Arc<Session> {
        let now = self.clock.now();
        let Greeting { version, capabilities, client } = &greeting;
        let key = (*authority, hash(&[version, capabilities.get(), client.get()]));
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, used)) = sessions.get_mut(&key) {
            *used = now;
            return session.clone();
        }
        if sessions.len() % 64 == 63 {
            sessions.retain(|_, (_, used)| *used + IDLE > now);
        }
        let session = Arc::new(Session::new(greeting, peers));
        // One that is not kept is opened again each time: slow, but never somebody else's.
        if sessions.len() < MOST {
            sessions.insert(key, (session.clone(), now));
        }
        session
    }
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
