//! What keeps STS from being overrun, and callers from waiting for one that is down.

use crate::{clock::Clock, error::Kind, sts::refusal::Refusal};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{self, Instant},
};

/// So many failures in a row, and the next call has to wait.
const TOLERATED: u32 = 10;
/// For how long, before one call may try again.
const REST: Duration = Duration::from_secs(5);
/// The pause before a second attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For one attempt.
    pub(super) attempt: Duration,
    /// For all of them, pauses and the wait for one's turn included.
    pub(super) whole: Duration,
}

/// A limit of concurrent calls, a breaker, and the rhythm of attempts, for one endpoint.
#[derive(Debug)]
pub(super) struct Guard {
    turns: Semaphore,
    patience: Patience,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
}

/// The attempts at one call.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    guard: &'a Guard,
    deadline: Instant,
    pause: Duration,
}

/// Leave to make one of them.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    guard: &'a Guard,
    until: Instant,
    _permit: SemaphorePermit<'a>,
}

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    open_since: Option<SystemTime>,
}

impl Guard {
    pub(super) fn new(calls: usize, patience: Patience, clock: Arc<dyn Clock>) -> Self {
        let turns = Semaphore::new(calls.min(Semaphore::MAX_PERMITS));
        Self { turns, patience, breaker: Mutex::default(), clock }
    }

    /// Begins a call, which may take several attempts.
    pub(super) fn begin(&self) -> Attempts<'_> {
        Attempts { guard: self, deadline: Instant::now() + self.patience.whole, pause: FIRST_PAUSE }
    }

    /// Lets a call through, one at a time where the breaker is open.
    fn pass(&self) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut breaker = self.lock();
        let Some(since) = breaker.open_since else { return Ok(()) };
        // A clock that was set back says nothing about how long ago that was.
        let rested = now.duration_since(since).unwrap_or(REST);
        if rested >= REST {
            breaker.open_since = Some(now);
            return Ok(());
        }
        let what = format!("STS failed {TOLERATED} times in a row and is left alone for a while");
        Err(Refusal::new(Kind::StsUnavailable, what).with_retry_after(REST - rested))
    }

    /// Only what nobody's token can bring about counts.
    fn count(&self, refusal: Option<&Refusal>) {
        let counts = refusal
            .is_some_and(|refusal| matches!(refusal.kind(), Kind::StsThrottled | Kind::StsUnavailable));
        let mut breaker = self.lock();
        if !counts {
            *breaker = Breaker::default();
            return;
        }
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= TOLERATED {
            breaker.open_since = Some(self.clock.now());
        }
    }

    fn is_open(&self) -> bool {
        self.lock().open_since.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempts<'_> {
    /// Waits for one's turn.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Refusal> {
        let turn = time::timeout_at(self.deadline, self.guard.turns.acquire()).await;
        let Ok(Ok(permit)) = turn else {
            return Err(Refusal::new(Kind::StsUnavailable, "too many calls to STS are under way"));
        };
        self.guard.pass()?;
        let until = self.deadline.min(Instant::now() + self.guard.patience.attempt);
        Ok(Turn { guard: self.guard, until, _permit: permit })
    }

    /// Waits for the time of the next attempt; `refusal` again where there is none.
    pub(super) async fn again(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        let wait = refusal.retry_after().unwrap_or(Duration::ZERO).max(scattered(self.pause));
        let in_time = Instant::now() + wait < self.deadline;
        if !refusal.kind().is_retryable() || !in_time || self.guard.is_open() {
            return Err(refusal);
        }
        time::sleep(wait).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        Ok(())
    }
}

impl Turn<'_> {
    /// Makes the attempt.
    pub(super) async fn attempt<T>(
        self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let outcome = time::timeout_at(self.until, work)
            .await
            .unwrap_or_else(|_| Err(Refusal::new(Kind::StsUnavailable, "STS did not answer in time")));
        self.guard.count(outcome.as_ref().err());
        outcome
    }
}

/// Between a half and the whole of `pause`, so that those who failed together do not come back together.
fn scattered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or_default();
    pause.mul_f64(0.5 + f64::from(random) / 2000.0)
}
