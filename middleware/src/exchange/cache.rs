use super::{
    subject::Shown,
    work::{Terms, Work},
};
use crate::{
    clock::Clock,
    error::Kind,
    flight::{self, Flights, Look},
    proof::BackendToken,
    refusal::Refusal,
};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};

/// For how long a refusal is remembered: a client in a loop is no reason to ask again.
const MEMORY: Duration = Duration::from_secs(5);

/// A backend's tokens, by what they were made of. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    flights: Flights<Key, BackendToken>,
    work: Arc<Work>,
}

/// What is shown for one call: the hashes of the tokens find what was made of them, and a refusal belongs to whoever
/// has those very tokens.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) key: Key,
    subject: Shown,
    actor: Option<Shown>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    subject: [u8; 32],
    actor: Option<[u8; 32]>,
}

impl Ask {
    pub(super) fn new(subject: Shown, actor: Option<Shown>) -> Self {
        let actor_mark = actor.as_ref().map(|actor| mark(&actor.token));
        Self { key: Key { subject: mark(&subject.token), actor: actor_mark }, subject, actor }
    }
}

impl Cache {
    pub(super) fn new(terms: Terms, capacity: u64, clock: Arc<dyn Clock>) -> Self {
        let flights = Flights::new(flight::Terms {
            capacity,
            memory: MEMORY,
            stopped: Refusal::new(
                Kind::ExchangeUnavailable,
                "the token could not be exchanged",
                "the exchange was stopped before it ended",
            ),
            clock: clock.clone(),
        });
        Self { flights, work: Arc::new(Work::new(terms, clock)) }
    }

    pub(super) fn look(&self, ask: &Ask) -> Look<BackendToken> {
        self.flights.look(&ask.key, || {
            let (work, subject, actor) = (self.work.clone(), ask.subject.clone(), ask.actor.clone());
            async move { work.exchange(&subject, actor.as_ref()).await }
        })
    }

    /// The backend does not accept `token` any more.
    pub(super) fn forget(&self, key: &Key, token: &BackendToken) -> bool {
        let is_it = |kept: &BackendToken| kept.token().expose_secret() == token.token().expose_secret();
        self.flights.evict(key, is_it)
    }

    pub(super) fn entries(&self) -> u64 {
        self.flights.entries()
    }
}

fn mark(token: &SecretString) -> [u8; 32] {
    let mut fixed = [0; 32];
    fixed.copy_from_slice(digest(&SHA256, token.expose_secret().as_bytes()).as_ref());
    fixed
}
