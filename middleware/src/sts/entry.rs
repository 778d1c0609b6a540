//! One caller's credentials over time: asked for once whoever waits, renewed before they end, and for a while not
//! asked for again where that was refused.

use super::{
    expiry::Lifetime,
    key::Digest,
    refusal::{Concerns, Refusal},
};
use crate::{error::Kind, proof::AwsCredentials};
use futures_util::{FutureExt, future::Shared};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;

/// For how long a refusal is remembered, and a refresh not tried again.
const MEMORY: Duration = Duration::from_secs(5);
/// How many single tokens that were refused are remembered beside each other.
const REFUSED_TOKENS: usize = 8;

/// A token's SHA-256.
pub(super) type TokenMark = [u8; 32];

/// How an attempt ended, for everybody who waited.
pub(super) type Outcome = Result<AwsCredentials, Refusal>;

/// In this order: what every request reads stands together, and in a cache of many thousands that is what it costs.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    state: Mutex<State>,
    /// Whose it is, where it is somebody's: for those who want a person forgotten.
    person: Option<Digest>,
}

#[derive(Debug)]
#[repr(C)]
struct Current {
    credentials: AwsCredentials,
    lifetime: Lifetime,
    since: SystemTime,
    _held: Held,
}

#[derive(Debug, Default)]
#[repr(C)]
struct State {
    current: Option<Current>,
    flight: Option<Flight>,
    refused: Option<Remembered>,
    refused_tokens: Vec<(TokenMark, Remembered)>,
    refresh_failed: Option<SystemTime>,
}

#[derive(Clone, Debug)]
struct Remembered {
    refusal: Refusal,
    since: SystemTime,
}

/// An attempt that is under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) outcome: Shared<oneshot::Receiver<Outcome>>,
    mark: Option<TokenMark>,
}

/// What an attempt owes those who wait for it, also when it is dropped.
#[derive(Debug)]
pub(super) struct Landing {
    entry: Arc<Entry>,
    mark: Option<TokenMark>,
    waiting: Option<oneshot::Sender<Outcome>>,
}

/// What can be said at once.
#[derive(Debug)]
pub(super) enum Turn {
    Ready(AwsCredentials),
    Refused(Refusal),
    /// Somebody else is asking.
    Join(Flight),
    /// It is upon the caller to ask.
    Lead(Flight, Landing),
}

/// Bytes that credentials take, for as long as they do.
#[derive(Debug)]
pub(super) struct Held {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Entry {
    pub(super) fn new(person: Option<Digest>) -> Self {
        Self { state: Mutex::default(), person }
    }

    pub(super) fn is_of(&self, person: &Digest) -> bool {
        self.person.as_ref() == Some(person)
    }

    /// Credentials that are good now, and whether it is time for the next.
    pub(super) fn ready(&self, now: SystemTime) -> Option<(AwsCredentials, bool)> {
        self.lock().ready(now)
    }

    /// For somebody who has nothing to go on with.
    pub(super) fn turn(self: &Arc<Self>, now: SystemTime, mark: Option<TokenMark>) -> Turn {
        let mut state = self.lock();
        // Somebody's attempt may have ended since the first look.
        if let Some((credentials, _)) = state.ready(now) {
            return Turn::Ready(credentials);
        }
        if let Some(refusal) = state.remembered(now, mark) {
            return Turn::Refused(refusal);
        }
        if let Some(flight) = &state.flight {
            return Turn::Join(flight.clone());
        }
        let (flight, landing) = self.depart(&mut state, mark);
        Turn::Lead(flight, landing)
    }

    /// For somebody who has credentials that age. `None` where the next are on their way, or could not be had
    /// just now.
    pub(super) fn refresh(
        self: &Arc<Self>,
        now: SystemTime,
        mark: impl FnOnce() -> Option<TokenMark>,
    ) -> Option<Landing> {
        let mut state = self.lock();
        let is_ageing = state.ready(now).is_some_and(|(_, ageing)| ageing);
        let failed = state.refresh_failed.is_some_and(|since| is_recent(since, now));
        if !is_ageing || failed || state.flight.is_some() {
            return None;
        }
        let mark = mark();
        if state.remembered(now, mark).is_some() {
            return None;
        }
        Some(self.depart(&mut state, mark).1)
    }

    /// Forgets the credentials with this id. Newer ones stay.
    pub(super) fn evict(&self, access_key_id: &str) -> bool {
        self.lock().current.take_if(|current| current.credentials.access_key_id() == access_key_id).is_some()
    }

    /// Forgets credentials that somebody does not accept any more, unless they are so new that others would hardly
    /// fare better. Whether it did.
    pub(super) fn renew(&self, now: SystemTime) -> bool {
        self.lock().current.take_if(|current| !is_recent(current.since, now)).is_some()
    }

    /// Whether there is nothing in it that anybody would miss.
    pub(super) fn is_spent(&self, now: SystemTime) -> bool {
        let state = self.lock();
        let mut remembered = state.refused.iter().chain(state.refused_tokens.iter().map(|(_, token)| token));
        state.flight.is_none()
            && state.ready(now).is_none()
            && !remembered.any(|remembered| is_recent(remembered.since, now))
    }

    fn depart(self: &Arc<Self>, state: &mut State, mark: Option<TokenMark>) -> (Flight, Landing) {
        let (waiting, outcome) = oneshot::channel();
        let flight = Flight { outcome: outcome.shared(), mark };
        state.flight = Some(flight.clone());
        (flight, Landing { entry: self.clone(), mark, waiting: Some(waiting) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Landing {
    /// The attempt gave credentials.
    pub(super) fn succeed(
        mut self,
        credentials: AwsCredentials,
        now: SystemTime,
        lifetime: Lifetime,
        held: Held,
    ) {
        let current = Current { credentials: credentials.clone(), lifetime, since: now, _held: held };
        let before =
            mem::replace(&mut *self.entry.lock(), State { current: Some(current), ..State::default() });
        // Outside of the lock: what was there is overwritten with zeros.
        drop(before);
        self.tell(Ok(credentials));
    }

    /// The attempt gave none. Whether there were some, and they were given up.
    pub(super) fn fail(mut self, refusal: &Refusal, now: SystemTime) -> bool {
        let mut state = self.entry.lock();
        state.flight = None;
        let remembered = Remembered { refusal: refusal.clone(), since: now };
        match (refusal.concerns(), self.mark) {
            (Concerns::OneToken, Some(mark)) => state.remember_token(mark, remembered),
            (Concerns::OneToken, None) | (Concerns::Everybody, _) => {
                state.refused = Some(remembered);
                state.refresh_failed = Some(now);
            }
            (Concerns::TheMoment, _) => state.refresh_failed = Some(now),
        }
        let refused = refusal.kind() == Kind::RoleRefused;
        let given_up = if refused { state.current.take() } else { None };
        drop(state);
        self.tell(Err(refusal.clone()));
        given_up.is_some()
    }

    fn tell(&mut self, outcome: Outcome) {
        if let Some(waiting) = self.waiting.take() {
            // Perhaps everybody has given up; what was found out is in the entry all the same.
            let _ = waiting.send(outcome);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Neither succeeded nor failed: the attempt was stopped, and somebody else has to make another.
        if self.waiting.is_some() {
            self.entry.lock().flight = None;
        }
    }
}

impl Flight {
    /// Whether an attempt that fails for its own token's sake fails for this one's.
    pub(super) fn is_for(&self, mark: Option<TokenMark>) -> bool {
        self.mark == mark
    }
}

impl State {
    fn ready(&self, now: SystemTime) -> Option<(AwsCredentials, bool)> {
        let current = self.current.as_ref().filter(|current| current.lifetime.covers(now))?;
        Some((current.credentials.clone(), current.lifetime.is_ageing(now)))
    }

    fn remembered(&self, now: SystemTime, mark: Option<TokenMark>) -> Option<Refusal> {
        let of_token = self.refused_tokens.iter().find(|(token, _)| Some(*token) == mark);
        let remembered = [self.refused.as_ref(), of_token.map(|(_, remembered)| remembered)];
        let recent = remembered.into_iter().flatten().find(|remembered| is_recent(remembered.since, now))?;
        Some(recent.refusal.clone())
    }

    fn remember_token(&mut self, mark: TokenMark, remembered: Remembered) {
        let mut tokens = mem::take(&mut self.refused_tokens);
        tokens.retain(|(token, earlier)| *token != mark && is_recent(earlier.since, remembered.since));
        if tokens.len() >= REFUSED_TOKENS {
            tokens.remove(0);
        }
        tokens.push((mark, remembered));
        self.refused_tokens = tokens;
    }
}

impl Held {
    pub(super) fn new(total: &Arc<AtomicU64>, bytes: u64) -> Self {
        total.fetch_add(bytes, Ordering::Relaxed);
        Self { total: total.clone(), bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A clock that was set back says nothing about how long ago that was.
fn is_recent(since: SystemTime, now: SystemTime) -> bool {
    now.duration_since(since).is_ok_and(|elapsed| elapsed < MEMORY)
}
