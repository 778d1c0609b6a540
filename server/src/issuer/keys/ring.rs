//! Which key signs when, and which ones are still published.
//!
//! ```text
//!            published            signs from                superseded        longest token of it ends
//!   a key ───────┼── its notice ──────┼──────────────────────────┼────────────────────────┼─────── dropped
//!   the next one                                   ┼── notice ───┼──
//! ```

use super::key::{Algorithm, SigningKey};
use crate::issuer::error::Fault;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use zeroize::{Zeroize, Zeroizing};

/// When keys come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// For how long a key signs before the next one does.
    pub(crate) turn: Duration,
    /// How long before it signs a key is published: whoever keeps the key set has to have fetched it anew by then.
    pub(crate) notice: Duration,
    /// How long what a key signed last can be asked about.
    pub(crate) memory: Duration,
}

/// The keys of one issuer, in the order in which they sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ring {
    keys: Vec<Kept>,
}

/// One key, as it is kept. The store seals it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    algorithm: Algorithm,
    pkcs8: String,
    /// Seconds since 1970.
    signs_from: u64,
}

impl Ring {
    /// The first key of all. Nobody can have kept a key set without it, so it signs at once.
    pub(super) fn first(algorithm: Algorithm, now: u64) -> Result<Self, Fault> {
        Ok(Self { keys: vec![Kept::new(algorithm, now)?] })
    }

    /// What the time has made due: another key, or one less. `None` where nothing is.
    pub(super) fn tended(
        &self,
        algorithm: Algorithm,
        schedule: &Schedule,
        now: u64,
    ) -> Result<Option<Self>, Fault> {
        let mut ring = self.clone();
        ring.drop_forgotten(schedule, now);
        if ring.is_next_due(algorithm, schedule, now) {
            ring.keys.push(Kept::new(algorithm, now + schedule.notice.as_secs())?);
        }
        Ok((ring != *self).then_some(ring))
    }

    /// With another key, published now. `None` where one is on its way already.
    pub(super) fn rotated(
        &self,
        algorithm: Algorithm,
        schedule: &Schedule,
        now: u64,
    ) -> Result<Option<Self>, Fault> {
        if self.has_next(now) {
            return Ok(None);
        }
        let mut ring = self.clone();
        ring.keys.push(Kept::new(algorithm, now + schedule.notice.as_secs())?);
        Ok(Some(ring))
    }

    /// All of them, ready to use.
    pub(super) fn open(&self) -> Result<Vec<SigningKey>, Fault> {
        self.keys.iter().map(Kept::open).collect()
    }

    /// The place of the one that signs: the newest one whose time has come; the oldest one for a clock that was set back.
    pub(super) fn signing(&self, now: u64) -> usize {
        self.keys.iter().rposition(|key| key.signs_from <= now).unwrap_or(0)
    }

    fn has_next(&self, now: u64) -> bool {
        self.keys.last().is_some_and(|key| key.signs_from > now)
    }

    fn is_next_due(&self, algorithm: Algorithm, schedule: &Schedule, now: u64) -> bool {
        let due = |last: &Kept| {
            let ends = last.signs_from.saturating_add(schedule.turn.as_secs());
            last.algorithm != algorithm || ends <= now.saturating_add(schedule.notice.as_secs())
        };
        !self.has_next(now) && self.keys.last().is_none_or(due)
    }

    /// A key is needed until nothing that it signed is good any more, counted from when the next one took its turn.
    fn drop_forgotten(&mut self, schedule: &Schedule, now: u64) {
        let memory = schedule.memory.as_secs();
        let ends = |next: &Kept| next.signs_from.saturating_add(memory) <= now;
        let forgotten = self.keys.iter().skip(1).take_while(|next| ends(next)).count();
        self.keys.drain(..forgotten);
    }
}

impl Kept {
    fn new(algorithm: Algorithm, signs_from: u64) -> Result<Self, Fault> {
        let pkcs8 = BASE64_STANDARD.encode(SigningKey::generate(algorithm)?);
        Ok(Self { algorithm, pkcs8, signs_from })
    }

    fn open(&self) -> Result<SigningKey, Fault> {
        let unreadable = |_| Fault::defect("a signing key that was kept cannot be read");
        let pkcs8 = Zeroizing::new(BASE64_STANDARD.decode(&self.pkcs8).map_err(unreadable)?);
        SigningKey::parse(self.algorithm, &pkcs8)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.pkcs8.zeroize();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("algorithm", &self.algorithm)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        turn: Duration::from_secs(1_000),
        notice: Duration::from_secs(100),
        memory: Duration::from_secs(300),
    };
    const ES: Algorithm = Algorithm::Es256;

    fn times(ring: &Ring) -> Vec<u64> {
        ring.keys.iter().map(|key| key.signs_from).collect()
    }

    fn at(ring: &Ring, now: u64) -> Option<Vec<u64>> {
        ring.tended(ES, &SCHEDULE, now).unwrap().map(|ring| times(&ring))
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_last_one_outlives_its_tokens() {
        let ring = Ring::first(ES, 0).unwrap();
        assert_eq!((at(&ring, 0), at(&ring, 899)), (None, None));
        let ring = ring.tended(ES, &SCHEDULE, 900).unwrap().unwrap();
        assert_eq!(times(&ring), [0, 1_000]);
        assert_eq!((ring.signing(999), ring.signing(1_000)), (0, 1));
        assert_eq!(at(&ring, 1_299), None);
        assert_eq!(at(&ring, 1_300), Some(vec![1_000]));
        // Nobody looked for a long time: the one that signs stays until another one took its turn.
        assert_eq!(at(&ring, 9_000), Some(vec![1_000, 9_100]));
    }

    #[test]
    fn whoever_asks_for_another_key_gets_one_on_its_way_at_a_time() {
        let ring = Ring::first(ES, 0).unwrap();
        let ring = ring.rotated(ES, &SCHEDULE, 10).unwrap().unwrap();
        assert_eq!(times(&ring), [0, 110]);
        assert_eq!(ring.rotated(ES, &SCHEDULE, 50).unwrap(), None);
        assert_eq!(times(&ring.rotated(ES, &SCHEDULE, 110).unwrap().unwrap()), [0, 110, 210]);
        assert_eq!(at(&ring, 50), None);
    }

    #[test]
    fn another_algorithm_is_another_key() {
        let ring = Ring::first(ES, 0).unwrap();
        let ring = ring.tended(Algorithm::Rs256, &SCHEDULE, 5).unwrap().unwrap();
        assert_eq!(times(&ring), [0, 105]);
        assert_eq!(ring.signing(200), 1);
        let keys = ring.open().unwrap();
        let named: Vec<_> = keys.iter().map(|key| key.jwk()["alg"].clone()).collect();
        assert_eq!(named, ["ES256", "RS256"]);
        assert_eq!(ring.tended(Algorithm::Rs256, &SCHEDULE, 50).unwrap(), None);
    }

    #[test]
    fn a_clock_that_was_set_back_finds_a_key() {
        let ring = Ring::first(ES, 1_000).unwrap();
        assert_eq!(ring.signing(5), 0);
        assert_eq!(at(&ring, 5), None);
    }

    #[test]
    fn keys_come_back_from_where_they_are_kept_and_are_not_shown() {
        let ring = Ring::first(ES, 0).unwrap();
        let kept = serde_json::to_string(&ring).unwrap();
        let back: Ring = serde_json::from_str(&kept).unwrap();
        assert_eq!(ring, back);
        let keys = back.open().unwrap();
        assert_eq!(keys[0].kid().len(), 43);
        let secret = &ring.keys[0].pkcs8;
        assert!(!format!("{ring:?} {keys:?}").contains(secret.as_str()));
    }
}
