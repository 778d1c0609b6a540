//! When credentials are renewed, and when they are no longer used.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::{Duration, SystemTime},
};

/// The time during which credentials are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    ageing: SystemTime,
    until: SystemTime,
}

/// A margin for what the request and the backend's clock may take, but never more than a twentieth of the lifetime.
const MARGIN_SHARE: u32 = 20;
/// Where in the lifetime the next credentials are asked for: between these shares, so that sessions which began
/// together are not renewed together. What is left after that is for the renewal, also of the shortest lifetime.
const REFRESH: (f64, f64) = (0.8, 0.85);

impl Lifetime {
    /// For credentials that were issued at `now` and end at `expires`, or earlier with their caller. `name` decides
    /// where in the window they are renewed.
    pub(super) fn new(
        now: SystemTime,
        expires: SystemTime,
        caller_ends: Option<SystemTime>,
        margin: Duration,
        name: &str,
    ) -> Self {
        let whole = expires.duration_since(now).unwrap_or_default();
        let usable = whole.saturating_sub(margin.min(whole / MARGIN_SHARE));
        let usable = match caller_ends.map(|end| end.duration_since(now).unwrap_or_default()) {
            Some(callers) => usable.min(callers),
            None => usable,
        };
        let (from, to) = REFRESH;
        let share = from + (to - from) * fraction(name);
        Self { ageing: now + usable.min(whole.mul_f64(share)), until: now + usable }
    }

    /// Whether they are used at `now`.
    pub(super) fn covers(&self, now: SystemTime) -> bool {
        now < self.until
    }

    /// Whether it is time for the next.
    pub(super) fn is_ageing(&self, now: SystemTime) -> bool {
        now >= self.ageing
    }
}

/// Between 0 and 1, the same for the same name. Access key ids are random enough to scatter by.
fn fraction(name: &str) -> f64 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
    let hundredth = u32::try_from(hash % 100).unwrap_or_default();
    f64::from(hundredth) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn they_are_renewed_before_they_are_given_up_before_they_end() {
        for name in ["ASIA1", "ASIA2", "ASIA3"] {
            let hour = Lifetime::new(at(0), at(3600), None, Duration::from_secs(60), name);
            assert!(hour.covers(at(3539)) && !hour.covers(at(3540)));
            assert!(!hour.is_ageing(at(2879)) && hour.is_ageing(at(3060)));
        }
    }

    #[test]
    fn a_short_session_keeps_most_of_its_time() {
        let ten = Lifetime::new(at(0), at(10), None, Duration::from_secs(60), "ASIA");
        assert!(ten.covers(at(9)) && !ten.covers(at(10)));
        assert!(ten.is_ageing(at(9)));
    }

    #[test]
    fn they_can_end_with_their_caller() {
        let capped = Lifetime::new(at(0), at(3600), Some(at(100)), Duration::from_secs(60), "ASIA");
        assert!(capped.covers(at(99)) && !capped.covers(at(100)));
        let over = Lifetime::new(at(50), at(3600), Some(at(40)), Duration::from_secs(60), "ASIA");
        assert!(!over.covers(at(50)));
    }

    #[test]
    fn sessions_that_begin_together_are_not_renewed_together() {
        let moments: std::collections::HashSet<_> = (0..100)
            .map(|n| Lifetime::new(at(0), at(3600), None, Duration::ZERO, &format!("ASIA{n}")).ageing)
            .collect();
        assert!(moments.len() > 40, "{}", moments.len());
    }
}
