//! Sessions of clients that open one.
//!
//! A session's id holds what the session is, sealed for whoever opened it: whoever has the key resumes it, and nothing
//! needs to be kept. What is kept all the same (the lines to backends, what is on its way) is made anew where it is
//! missing.

use super::{
    cancel::Cancels,
    error::Refusal,
    flights::Flights,
    kept::{Kept, Limits, Named},
    line::Lines,
    questions::Questions,
    shared::Shared,
    watching::Watchers,
};
use crate::store::{Seal, SealingKey};
use aws_lc_rs::{
    digest::{Context, SHA256},
    rand,
};
use axum::http::HeaderMap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::{
    clock::Clock,
    proof::{Authenticated, Identity},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// Opens sessions, and finds those that are open.
#[derive(Debug)]
pub(super) struct Sessions {
    seal: Arc<Seal>,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

/// One session: what was agreed, and what is kept for it here.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) greeting: Greeting,
    pub(super) lines: Lines,
    pub(super) flights: Arc<Flights>,
    pub(super) questions: Questions,
    pub(super) cancels: Cancels,
    /// What backends tell it, where several listen.
    pub(super) news: Shared,
    pub(super) watchers: Watchers,
    /// What it is called where others know of it, too.
    pub(super) name: OnceLock<Named>,
    latest: Mutex<Option<Latest>>,
}

/// Who used a session last, with what came along: what is done in it later is done like that.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) who: Authenticated,
    pub(super) headers: HeaderMap,
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

/// How many sessions are kept in all, and how many of those that were ended.
const MOST_LIVE: usize = 10_000;
const MOST_ENDED: usize = 500_000;

impl Sessions {
    pub(super) fn new(seal: Arc<Seal>, lifetime: Duration, idle: Duration, clock: Arc<dyn Clock>) -> Self {
        let kept = Kept::within(Limits { live: MOST_LIVE, ended: MOST_ENDED, idle });
        Self { seal, lifetime, clock, kept: Mutex::new(kept) }
    }

    /// Opens a session for `owner`; its id, which only `owner` can use.
    pub(super) fn open(&self, greeting: Greeting, owner: &Identity, session: Arc<Session>) -> Option<String> {
        let now = self.clock.now();
        let id = random()?;
        let seconds = (now + self.lifetime).duration_since(UNIX_EPOCH).ok()?.as_secs();
        let told = Told { id, until: seconds, greeting };
        let owner = place(owner);
        let sealed = {
            let told = Zeroizing::new(serde_json::to_vec(&told).ok()?);
            self.seal.seal(&owner, told).ok()?
        };
        let named = told.named(owner)?;
        session.name.get_or_init(|| named.clone());
        self.kept().keep(&named, now, session);
        Some(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The session that a client was told of as `told`, with as many backends, if it is `owner`'s and not over.
    pub(super) fn find(&self, told: &str, owner: &Identity, peers: usize) -> Result<Arc<Session>, Refusal> {
        let (named, greeting) = self.opened(told, owner).ok_or_else(Refusal::no_session)?;
        let found = self.kept().find(&named, self.clock.now(), || Session::new(greeting, peers));
        let found = found.ok_or_else(Refusal::no_session)?;
        found.name.get_or_init(|| named);
        Ok(found)
    }

    /// What the session is called that a client was told of as `told`, where it is not in use here.
    pub(super) fn unused(&self, told: &str, owner: &Identity) -> Option<Named> {
        let (named, _) = self.opened(told, owner)?;
        let is_used = self.kept().used(&named.id).is_some();
        (!is_used).then_some(named)
    }

    /// One that is in use here.
    pub(super) fn used(&self, named: &Named) -> Option<Arc<Session>> {
        self.kept().used(&named.id).cloned()
    }

    pub(super) fn in_use(&self) -> Vec<Named> {
        self.kept().in_use()
    }

    /// Ends it: from now on nobody finds it here. What it is called.
    pub(super) fn end(&self, told: &str, owner: &Identity) -> Option<Named> {
        let (named, _) = self.opened(told, owner)?;
        self.bury(&named);
        Some(named)
    }

    /// It was ended, here or elsewhere.
    pub(super) fn bury(&self, named: &Named) {
        self.kept().end(named, self.clock.now());
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn opened(&self, told: &str, owner: &Identity) -> Option<(Named, Greeting)> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(told).ok()?;
        let owner = place(owner);
        let told = self.seal.open(&owner, &sealed).ok()?;
        let told: Told = serde_json::from_slice(&told).ok()?;
        Some((told.named(owner)?, told.greeting))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn named(&self, owner: String) -> Option<Named> {
        let id = BASE64_URL_SAFE_NO_PAD.decode(&self.id).ok()?.try_into().ok()?;
        Some(Named { id, owner, until: UNIX_EPOCH.checked_add(Duration::from_secs(self.until))? })
    }
}

impl Session {
    pub(super) fn new(greeting: Greeting, peers: usize) -> Self {
        Self {
            greeting,
            lines: Lines::to(peers),
            flights: Arc::default(),
            questions: Questions::default(),
            cancels: Cancels::default(),
            news: Shared::default(),
            watchers: Watchers::of(peers),
            name: OnceLock::new(),
            latest: Mutex::default(),
        }
    }

    /// Somebody uses it.
    pub(super) fn is_used_by(&self, who: &Authenticated, headers: &HeaderMap) {
        *self.lock_latest() = Some(Latest { who: who.clone(), headers: headers.clone() });
    }

    pub(super) fn latest(&self) -> Option<Latest> {
        self.lock_latest().clone()
    }

    fn lock_latest(&self) -> MutexGuard<'_, Option<Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::{super::invariants::trusted, *};
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::SystemTime,
    };

    const LIFETIME: Duration = Duration::from_secs(100);
    const IDLE: Duration = Duration::from_secs(10);

    /// The time that a test says.
    #[derive(Debug, Default)]
    struct Told(AtomicU64);

    impl Told {
        fn pass(&self, seconds: u64) {
            self.0.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    impl Clock for Told {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(1_800_000_000 + self.0.load(Ordering::Relaxed))
        }
    }

    struct Opened {
        sessions: Sessions,
        clock: Arc<Told>,
        owner: Authenticated,
        told: String,
    }

    impl Opened {
        fn new() -> Self {
            let clock = Arc::new(Told::default());
            let sessions = started(&clock);
            let owner = trusted("alice");
            let empty = || RawValue::from_string("{}".to_owned()).unwrap();
            let greeting =
                Greeting { version: "2025-11-25".to_owned(), capabilities: empty(), client: empty() };
            let session = Arc::new(Session::new(greeting.clone(), 1));
            let told = sessions.open(greeting, owner.identity(), session).unwrap();
            Self { sessions, clock, owner, told }
        }

        fn is_found(&self) -> bool {
            self.sessions.find(&self.told, self.owner.identity(), 1).is_ok()
        }
    }

    /// By a process that has just been started.
    fn started(clock: &Arc<Told>) -> Sessions {
        let seal = Seal::new(SealingKey::new(&[7; 32]).unwrap(), Vec::new());
        Sessions::new(Arc::new(seal), LIFETIME, IDLE, clock.clone())
    }

    #[test]
    fn a_session_that_nobody_uses_ends() {
        let opened = Opened::new();
        for _ in 0..3 {
            opened.clock.pass(9);
            assert!(opened.is_found(), "it is used");
        }
        opened.clock.pass(10);
        assert!(!opened.is_found());
        assert!(!opened.is_found(), "it stays over");
    }

    #[test]
    fn no_session_outlives_its_time_however_much_it_is_used() {
        let opened = Opened::new();
        for _ in 0..11 {
            opened.clock.pass(9);
            assert!(opened.is_found());
        }
        opened.clock.pass(1);
        assert!(!opened.is_found());
    }

    #[test]
    fn it_is_found_after_a_restart_until_it_is_ended_and_only_by_its_owner() {
        let mut opened = Opened::new();
        opened.sessions = started(&opened.clock);
        assert!(opened.is_found());
        let other = trusted("bob");
        assert!(opened.sessions.find(&opened.told, other.identity(), 1).is_err());
        opened.sessions.end(&opened.told, other.identity());
        assert!(opened.is_found(), "nobody else ends it");
        opened.sessions.end(&opened.told, opened.owner.identity());
        assert!(!opened.is_found());
    }
}
