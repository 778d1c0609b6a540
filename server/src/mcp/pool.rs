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
    pooled: Mutex<Pooled>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Pooled {
    sessions: HashMap<Authority, HashMap<Greeted, (Arc<Session>, SystemTime)>>,
    /// How many these are.
    count: usize,
    swept: SystemTime,
}

/// How somebody greets.
type Greeted = [u8; 32];

/// How long a session is kept that nobody uses, and how many there may be: in all, and of one authority, however
/// many ways it has to greet.
const IDLE: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 16;
/// How often somebody looks which can go.
const SWEEP: Duration = Duration::from_secs(60);

impl Authority {
    pub(super) fn of(identity: &Identity) -> Self {
        let token = identity.token().map(|token| token.expose_secret()).unwrap_or_default();
        Self(hash(&[identity.issuer(), identity.subject(), token]))
    }

    /// The same person, with whatever token: for what decides nothing that they may do.
    pub(super) fn of_person(identity: &Identity) -> Self {
        Self(hash(&[identity.issuer(), identity.subject()]))
    }
}

impl Pool {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let pooled = Pooled { sessions: HashMap::new(), count: 0, swept: SystemTime::UNIX_EPOCH };
        Self { pooled: Mutex::new(pooled), clock }
    }

    /// The session of whoever has this authority and greets like this, with as many backends.
    pub(super) fn session(&self, authority: &Authority, greeting: Greeting, peers: usize) -> Arc<Session> {
        let now = self.clock.now();
        let Greeting { version, capabilities, client } = &greeting;
        let greeted = hash(&[version, capabilities.get(), client.get()]);
        let mut pooled = self.pooled.lock().unwrap_or_else(PoisonError::into_inner);
        pooled.sweep(now);
        let Pooled { sessions, count, .. } = &mut *pooled;
        if let Some((session, used)) = sessions.get_mut(authority).and_then(|theirs| theirs.get_mut(&greeted))
        {
            *used = now;
            return session.clone();
        }
        let session = Arc::new(Session::new(greeting, peers));
        // One that is not kept is opened again each time: slow, but never somebody else's.
        if *count < MOST {
            let theirs = sessions.entry(*authority).or_default();
            theirs.insert(greeted, (session.clone(), now));
            *count += 1;
            if theirs.len() > MOST_OF_ONE
                && let Some((oldest, _)) = theirs.iter().min_by_key(|(_, (_, used))| *used)
            {
                let oldest = *oldest;
                theirs.remove(&oldest);
                *count -= 1;
            }
        }
        session
    }
}

impl Pooled {
    fn sweep(&mut self, now: SystemTime) {
        if now.duration_since(self.swept).is_ok_and(|since| since < SWEEP) {
            return;
        }
        self.swept = now;
        self.sessions.retain(|_, theirs| {
            theirs.retain(|_, (_, used)| *used + IDLE > now);
            !theirs.is_empty()
        });
        self.count = self.sessions.values().map(HashMap::len).sum();
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Seconds since 1970, as a test says.
    #[derive(Debug, Default)]
    struct Seconds(AtomicU64);

    impl Clock for Seconds {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn whoever_has_the_same_authority_has_the_same_session_until_it_is_idle() {
        let clock = Arc::new(Seconds::default());
        let pool = Pool::new(clock.clone());
        let session = |seconds: u64, who: u8, client: &str| {
            clock.0.store(1_800_000_000 + seconds, Ordering::Relaxed);
            let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
            let greeting =
                Greeting { version: "2025-11-25".to_owned(), capabilities: raw("{}"), client: raw(client) };
            pool.session(&Authority([who; 32]), greeting, 1)
        };
        let first = session(0, 1, "{}");
        assert!(!Arc::ptr_eq(&first, &session(0, 2, "{}")), "another token");
        assert!(!Arc::ptr_eq(&first, &session(0, 1, "[]")), "another client");
        assert!(Arc::ptr_eq(&first, &session(300, 1, "{}")));
        assert!(Arc::ptr_eq(&first, &session(899, 1, "{}")));
        assert_eq!(pool.pooled.lock().unwrap().count, 1, "those that nobody used are gone");
        assert!(!Arc::ptr_eq(&first, &session(899 + 600 + 60, 1, "{}")));
    }

    #[test]
    fn whoever_greets_in_ever_new_ways_takes_no_room_from_others() {
        let pool = Pool::new(Arc::new(Seconds::default()));
        let session = |who: u8, client: String| {
            let raw = |text: String| RawValue::from_string(text).unwrap();
            let greeting = Greeting {
                version: "2025-11-25".to_owned(),
                capabilities: raw("{}".to_owned()),
                client: raw(client),
            };
            pool.session(&Authority([who; 32]), greeting, 1)
        };
        let modest = session(1, "{}".to_owned());
        for number in 0..1_000 {
            session(2, number.to_string());
        }
        assert_eq!(pool.pooled.lock().unwrap().count, 1 + MOST_OF_ONE);
        assert!(Arc::ptr_eq(&modest, &session(1, "{}".to_owned())));
    }
}
