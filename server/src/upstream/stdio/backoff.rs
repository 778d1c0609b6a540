//! When a program that ends may be started again.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Why a program cannot be spoken to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable {
    pub(super) what: &'static str,
    pub(crate) again: Duration,
}

/// How often it ended of its own accord.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// What happened last, and when to try again.
    last: Option<(&'static str, Instant)>,
}

const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// Whatever ran as long was no failure to start.
const STEADY: Duration = Duration::from_secs(60);
/// Whoever asks waits as long rather than being told to come again.
const WORTH_WAITING: Duration = Duration::from_secs(1);

impl Unavailable {
    pub(super) fn now(what: &'static str) -> Self {
        Self { what, again: SHORTEST }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for Unavailable {}

impl Backoff {
    /// It ended after this long, and nobody had told it to; when it may be started again.
    pub(super) fn ended(&self, what: &'static str, after: Duration) -> Duration {
        self.ended_at(Instant::now(), what, after)
    }

    /// Waits where that is short, and says so where it is long.
    pub(super) async fn pass(&self) -> Result<(), Unavailable> {
        tokio::time::sleep(self.pause(Instant::now())?).await;
        Ok(())
    }

    fn ended_at(&self, now: Instant, what: &'static str, after: Duration) -> Duration {
        let mut state = self.lock();
        state.failures = if after >= STEADY { 1 } else { state.failures.saturating_add(1) };
        let pause = SHORTEST.saturating_mul(1 << (state.failures - 1).min(10)).min(LONGEST);
        state.last = Some((what, now + pause));
        pause
    }

    fn pause(&self, now: Instant) -> Result<Duration, Unavailable> {
        let Some((what, until)) = self.lock().last else { return Ok(Duration::ZERO) };
        let again = until.saturating_duration_since(now);
        if again > WORTH_WAITING { Err(Unavailable { what, again }) } else { Ok(again) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_started_ever_less_often() {
        let (backoff, now) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.pause(now), Ok(Duration::ZERO));
        let failed = || backoff.ended_at(now, "ended", Duration::ZERO).as_millis();
        let pauses: Vec<_> = (0..10).map(|_| failed()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        let refused = backoff.pause(now).unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.again), ("ended", LONGEST));
        let half = Duration::from_millis(500);
        assert_eq!(backoff.pause(now + LONGEST - half), Ok(half), "a short while is waited for");
        assert_eq!(backoff.pause(now + LONGEST), Ok(Duration::ZERO));
        assert_eq!(backoff.ended_at(now, "ended", STEADY), SHORTEST, "it had run for long");
    }
}
