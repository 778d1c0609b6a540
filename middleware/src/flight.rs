//! Work that many ask for and one does: the others wait for it, and what came of it is kept for a while.

use crate::{clock::Clock, refusal::Refusal, task};
use futures_util::{FutureExt, future::Shared};
use moka::{policy::EvictionPolicy, sync::Cache};
use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, Hash, RandomState},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;

/// What is kept, by what it was made for. Clones share it.
pub(crate) struct Flights<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    entries: Cache<K, Arc<Entry<V>>>,
    terms: Terms,
}

/// How [`Flights`] go.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// How many things are kept; the one that was used longest ago goes first.
    pub(crate) capacity: u64,
    /// For how long a refusal is remembered, where trying again would not change it.
    pub(crate) memory: Duration,
    /// What those who wait are told when the work is stopped.
    pub(crate) stopped: Refusal,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The time during which something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    ageing: SystemTime,
    until: SystemTime,
}

/// What came of the work, and for how long it is kept; `None` hands it to those who wait and to nobody later.
pub(crate) type Landed<V> = Result<(V, Option<Lifetime>), Refusal>;

/// What can be said at once.
pub(crate) enum Look<V> {
    /// It was at hand.
    Ready(V),
    /// It was refused a moment ago.
    Refused(Refusal),
    /// It is being worked on.
    Wait(Flight<V>),
}

/// Work that is under way; as a future, what comes of it.
pub(crate) struct Flight<V> {
    outcome: Shared<oneshot::Receiver<Result<V, Refusal>>>,
    stopped: Refusal,
}

struct Entry<V>(Mutex<State<V>>);

struct State<V> {
    kept: Option<(V, Lifetime)>,
    flight: Option<Flight<V>>,
    refused: Option<(Refusal, SystemTime)>,
}

/// What the work owes those who wait for it, also when it is dropped.
struct Landing<V> {
    entry: Arc<Entry<V>>,
    waiting: Option<oneshot::Sender<Result<V, Refusal>>>,
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(terms: Terms) -> Self {
        let entries = Cache::builder()
            .max_capacity(terms.capacity)
            // The default policy may turn a newcomer away at the door, and have the work done for every request.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self(Arc::new(Inner { entries, terms }))
    }

    /// What is kept for `key`; otherwise has `work` done, once whoever asks, and to its end whoever gives up.
    pub(crate) fn look<F>(&self, key: &K, work: impl FnOnce() -> F) -> Look<V>
    where
        F: Future<Output = Landed<V>> + Send + 'static,
    {
        let Terms { memory, clock, .. } = &self.0.terms;
        let now = clock.now();
        let entry = match self.0.entries.get(key) {
            Some(entry) => entry,
            None => self.0.entries.entry_by_ref(key).or_default().into_value(),
        };
        let mut state = entry.lock();
        if let Some((value, lifetime)) = &state.kept
            && lifetime.covers(now)
        {
            let value = value.clone();
            if lifetime.is_ageing(now) && state.flight.is_none() && state.refused(now, *memory).is_none() {
                self.depart(&entry, &mut state, work());
            }
            return Look::Ready(value);
        }
        if let Some(refusal) = state.refused(now, *memory)
            && !refusal.kind().is_retryable()
        {
            return Look::Refused(refusal.clone());
        }
        if let Some(flight) = &state.flight {
            return Look::Wait(flight.clone());
        }
        Look::Wait(self.depart(&entry, &mut state, work()))
    }

    /// Forgets what is kept for `key` if it is the one that `is_it` means; a newer one stays.
    pub(crate) fn evict(&self, key: &K, is_it: impl FnOnce(&V) -> bool) -> bool {
        let Some(entry) = self.0.entries.get(key) else { return false };
        let mut state = entry.lock();
        let found = state.kept.as_ref().is_some_and(|(value, _)| is_it(value));
        if found {
            state.kept = None;
        }
        found
    }

    /// How many entries there are, approximately.
    pub(crate) fn entries(&self) -> u64 {
        self.0.entries.entry_count()
    }

    fn depart<F>(&self, entry: &Arc<Entry<V>>, state: &mut State<V>, work: F) -> Flight<V>
    where
        F: Future<Output = Landed<V>> + Send + 'static,
    {
        let (waiting, outcome) = oneshot::channel();
        let flight = Flight { outcome: outcome.shared(), stopped: self.0.terms.stopped.clone() };
        state.flight = Some(flight.clone());
        let landing = Landing { entry: entry.clone(), waiting: Some(waiting) };
        let clock = self.0.terms.clock.clone();
        task::spawn(async move {
            let landed = work.await;
            landing.land(landed, clock.now());
        });
        flight
    }
}

impl Lifetime {
    /// For something that was made at `made` and ends at `end`: it is used until shortly before its end, and renewed
    /// when a fifth of its time is left.
    pub(crate) fn new(made: SystemTime, end: SystemTime) -> Self {
        const LONGEST_MARGIN: Duration = Duration::from_secs(30);
        let whole = end.duration_since(made).unwrap_or_default();
        let until = whole.saturating_sub(LONGEST_MARGIN.min(whole / 10));
        Self { ageing: made + until.min(whole.mul_f64(0.8)), until: made + until }
    }

    /// Whether it is used at `now`.
    pub(crate) fn covers(&self, now: SystemTime) -> bool {
        now < self.until
    }

    /// Whether it is time for the next.
    pub(crate) fn is_ageing(&self, now: SystemTime) -> bool {
        now >= self.ageing
    }
}

/// Between a half and the whole of `pause`, so that those who failed together do not come back together.
pub(crate) fn scattered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or_default();
    pause.mul_f64(0.5 + f64::from(random) / 2000.0)
}

impl<V> Landing<V>
where
    V: Clone,
{
    fn land(mut self, landed: Landed<V>, now: SystemTime) {
        let mut state = self.entry.lock();
        state.flight = None;
        let outcome = match landed {
            Ok((value, lifetime)) => {
                state.refused = None;
                state.kept = lifetime.map(|lifetime| (value.clone(), lifetime));
                Ok(value)
            }
            Err(refusal) => {
                state.refused = Some((refusal.clone(), now));
                Err(refusal)
            }
        };
        drop(state);
        if let Some(waiting) = self.waiting.take() {
            // Perhaps everybody has given up; what came of it is kept all the same.
            let _ = waiting.send(outcome);
        }
    }
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        // It did not land: the work was stopped, and somebody else has to begin anew.
        if self.waiting.is_some() {
            self.entry.lock().flight = None;
        }
    }
}

impl<V> State<V> {
    /// A clock that was set back says nothing about how long ago that was.
    fn refused(&self, now: SystemTime, memory: Duration) -> Option<&Refusal> {
        let (refusal, since) = self.refused.as_ref()?;
        now.duration_since(*since).is_ok_and(|elapsed| elapsed < memory).then_some(refusal)
    }
}

impl<V> Entry<V> {
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> Future for Flight<V> {
    type Output = Result<V, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.outcome).poll(cx);
        outcome.map(|outcome| outcome.unwrap_or_else(|_| Err(self.stopped.clone())))
    }
}

impl<V> Clone for Flight<V> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), stopped: self.stopped.clone() }
    }
}

impl<V> Default for Entry<V> {
    fn default() -> Self {
        Self(Mutex::new(State { kept: None, flight: None, refused: None }))
    }
}

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("terms", &self.0.terms).finish_non_exhaustive()
    }
}

impl<V> fmt::Debug for Flight<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, error::Kind};
    use std::{
        future::pending,
        sync::atomic::{AtomicU64, Ordering},
        time::UNIX_EPOCH,
    };

    /// A clock that stands where it is put.
    #[derive(Debug, Default)]
    struct Standing(AtomicU64);

    impl Clock for Standing {
        fn now(&self) -> SystemTime {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn flights(clock: Arc<dyn Clock>) -> Flights<&'static str, u64> {
        let stopped = Refusal::unavailable("it was stopped");
        Flights::new(Terms { capacity: 10, memory: Duration::from_secs(5), stopped, clock })
    }

    async fn landed(look: Look<u64>) -> Result<u64, Refusal> {
        match look {
            Look::Ready(value) => Ok(value),
            Look::Refused(refusal) => Err(refusal),
            Look::Wait(flight) => flight.await,
        }
    }

    #[test]
    fn a_short_life_is_used_for_the_most_part() {
        let hour = Lifetime::new(at(0), at(3600));
        assert!(hour.covers(at(3569)) && !hour.covers(at(3570)));
        assert!(!hour.is_ageing(at(2879)) && hour.is_ageing(at(2880)));
        let ten = Lifetime::new(at(0), at(10));
        assert!(ten.covers(at(8)) && !ten.covers(at(9)));
        assert!(!Lifetime::new(at(10), at(5)).covers(at(10)));
    }

    #[tokio::test]
    async fn many_wait_for_one_and_what_ages_is_renewed_behind_their_backs() {
        let clock = Arc::new(Standing::default());
        let flights = flights(clock.clone());
        let (leave, gate) = oneshot::channel::<()>();
        let first = flights.look(&"a", || async {
            gate.await.unwrap();
            Ok((1, Some(Lifetime::new(at(0), at(100)))))
        });
        let others: Vec<_> = (0..10).map(|_| flights.look(&"a", pending)).collect();
        leave.send(()).unwrap();
        for look in [first].into_iter().chain(others) {
            assert_eq!(landed(look).await.unwrap(), 1);
        }
        clock.0.store(85, Ordering::SeqCst);
        let renewed = Arc::new(tokio::sync::Notify::new());
        let tell = renewed.clone();
        let ageing = flights.look(&"a", || async move {
            tell.notify_one();
            Ok((2, Some(Lifetime::new(at(85), at(200)))))
        });
        assert_eq!(landed(ageing).await.unwrap(), 1);
        renewed.notified().await;
        while landed(flights.look(&"a", pending)).await.unwrap() == 1 {
            tokio::task::yield_now().await;
        }
        assert!(!flights.evict(&"a", |value| *value == 1));
        assert!(flights.evict(&"a", |value| *value == 2));
    }

    #[tokio::test]
    async fn only_what_trying_again_would_not_change_is_remembered() {
        let clock = Arc::new(Standing::default());
        let flights = flights(clock.clone());
        for (kind, later) in [(Kind::UpstreamUnavailable, true), (Kind::UpstreamTokenMissing, false)] {
            let refused = flights.look(&"a", || async move { Err(Refusal::new(kind, "no", "x")) });
            assert_eq!(landed(refused).await.unwrap_err().kind(), kind);
            let again = flights.look(&"a", || async { Ok((1, None)) });
            assert_eq!(landed(again).await.is_ok(), later);
        }
        clock.0.store(5, Ordering::SeqCst);
        assert_eq!(landed(flights.look(&"a", || async { Ok((2, None)) })).await.unwrap(), 2);
        assert_eq!(landed(flights.look(&"a", || async { Ok((3, None)) })).await.unwrap(), 3, "not kept");
    }

    #[tokio::test]
    async fn who_waits_for_work_that_breaks_down_is_told_and_the_next_begins_anew() {
        let flights = flights(Arc::new(SystemClock));
        let broken = flights.look(&"a", || async { panic!("on purpose") });
        assert_eq!(landed(broken).await.unwrap_err().kind(), Kind::UpstreamUnavailable);
        assert_eq!(landed(flights.look(&"a", || async { Ok((1, None)) })).await.unwrap(), 1);
    }
}
