use crate::clock::{Clock, SystemClock};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// A clock, and by how much it was found to be wrong. Clones share that.
///
/// One belongs to one backend: what a backend says of the time is believed only for signatures that it gets.
#[derive(Clone)]
pub struct CorrectedClock(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// In seconds; positive when our clock is slow.
    offset: AtomicI64,
    most: i64,
}

/// The largest offset that is believed unless told: longer than that, and a backend could collect signatures for
/// another day.
const MOST: Duration = Duration::from_secs(60 * 60);

impl CorrectedClock {
    /// Corrects `clock`, by an hour at most.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_most(clock, MOST)
    }

    /// Corrects `clock`, by `most` at most.
    pub fn with_most(clock: Arc<dyn Clock>, most: Duration) -> Self {
        let most = i64::try_from(most.as_secs()).unwrap_or(i64::MAX);
        Self(Arc::new(Inner { clock, offset: AtomicI64::new(0), most }))
    }

    /// By how many seconds the clock is slow; negative when it is fast.
    pub fn offset(&self) -> i64 {
        self.0.offset.load(Ordering::Relaxed)
    }

    /// How far `theirs` is from what we take for the time.
    pub(super) fn distance(&self, theirs: SystemTime) -> Duration {
        let ours = self.now();
        theirs.duration_since(ours).unwrap_or_else(|before| before.duration())
    }

    /// Believes that it is `theirs`. `false` when that is too far off to be believed.
    pub(super) fn correct(&self, theirs: SystemTime) -> bool {
        let ours = self.0.clock.now();
        let seconds = |distance: Duration| i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
        let offset = match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        let believed = offset.saturating_abs() <= self.0.most;
        if believed {
            self.0.offset.store(offset, Ordering::Relaxed);
        }
        believed
    }
}

impl Clock for CorrectedClock {
    fn now(&self) -> SystemTime {
        let now = self.0.clock.now();
        let offset = self.offset();
        let distance = Duration::from_secs(offset.unsigned_abs());
        let corrected = if offset < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        corrected.unwrap_or(now)
    }
}

/// Corrects the system's clock.
impl Default for CorrectedClock {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for CorrectedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrectedClock")
            .field("clock", &self.0.clock)
            .field("offset", &self.offset())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(12 * 3600)
        }
    }

    #[test]
    fn it_believes_an_hour_and_no_more() {
        let clock = CorrectedClock::new(Arc::new(Noon));
        let at = |minutes: u64| UNIX_EPOCH + Duration::from_secs(60 * minutes);
        assert!(clock.correct(at(12 * 60 + 59)));
        assert_eq!((clock.now(), clock.offset()), (at(12 * 60 + 59), 59 * 60));
        assert!(clock.correct(at(11 * 60)));
        assert_eq!(clock.now(), at(11 * 60));
        assert!(!clock.correct(at(13 * 60 + 1)) && !clock.correct(at(0)));
        assert_eq!(clock.now(), at(11 * 60));
        assert_eq!(clock.distance(at(11 * 60 + 5)), Duration::from_secs(300));
    }
}
