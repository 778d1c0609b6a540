//! What was fetched, for as long as it may be kept: one fetch at a time for each address, whoever asks.

use super::{
    super::{
        budget::Budget,
        error::{Code, Refusal},
        fetch::{Fetched, Fetcher},
        reach::Reach,
    },
    address::Address,
};
use countersign::clock::Clock;
use moka::{policy::EvictionPolicy, sync::Cache};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::Mutex;

/// Where documents come from, within limits.
#[derive(Debug)]
pub(in crate::issuer) struct Source {
    fetcher: Fetcher,
    budget: Budget,
    clock: Arc<dyn Clock>,
}

/// Documents of one kind.
#[derive(Clone)]
pub(super) struct Shelf<T> {
    source: Arc<Source>,
    /// What is wrong with a document is a clause.
    read: fn(&Address, &[u8]) -> Result<T, String>,
    kept: Cache<Address, Kept<T>>,
    turns: Cache<Address, Arc<Turn>>,
}

#[derive(Clone)]
struct Kept<T> {
    document: T,
    fetched: SystemTime,
    until: SystemTime,
}

/// Why there is no document, as a clause.
struct Missing {
    what: String,
    /// It may be there in a moment.
    passing: bool,
}

/// Whoever holds it fetches. What was wrong the last time, and when that was.
type Turn = Mutex<Option<(Refusal, SystemTime)>>;

const FROM_ONE_HOST: u32 = 10;
const FROM_ANYWHERE: u32 = 100;

const MOST: u64 = 1_000;

/// For how long a document is kept whose server says nothing, and the bounds of what it may say.
const USUAL: Duration = Duration::from_secs(10 * 60);
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an address is left alone that gave no document.
const PAUSE: Duration = Duration::from_secs(10);

impl Source {
    pub(in crate::issuer) fn new(fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self { fetcher, budget: Budget::new(FROM_ONE_HOST, FROM_ANYWHERE), clock }
    }

    pub(super) const fn reach(&self) -> Reach {
        self.fetcher.reach()
    }
}

impl<T: Clone + Send + Sync + 'static> Shelf<T> {
    pub(super) fn new(source: Arc<Source>, read: fn(&Address, &[u8]) -> Result<T, String>) -> Self {
        Self { source, read, kept: bounded(), turns: bounded() }
    }

    /// The document at `address`.
    ///
    /// # Errors
    ///
    /// Why there is none, for the client's developer.
    pub(super) async fn get(&self, address: &Address) -> Result<T, Refusal> {
        self.look(address, |kept, now| now < kept.until).await
    }

    /// The same, fetched anew unless that was done within the last minute: somebody misses something in it.
    pub(super) async fn get_anew(&self, address: &Address) -> Result<T, Refusal> {
        self.look(address, |kept, now| now < kept.until && now < kept.fetched + SHORTEST).await
    }

    async fn look(
        &self,
        address: &Address,
        good: impl Fn(&Kept<T>, SystemTime) -> bool,
    ) -> Result<T, Refusal> {
        let at_hand = || self.kept.get(address).filter(|kept| good(kept, self.source.clock.now()));
        if let Some(kept) = at_hand() {
            return Ok(kept.document);
        }
        let turn = self.turns.entry_by_ref(address).or_default().into_value();
        let mut failed = turn.lock().await;
        // Whoever had the turn before may have brought it.
        if let Some(kept) = at_hand() {
            return Ok(kept.document);
        }
        let now = self.source.clock.now();
        if let Some((refusal, at)) = &*failed
            && now.duration_since(*at).is_ok_and(|past| past < PAUSE)
        {
            return Err(refusal.clone());
        }
        if !self.source.budget.take(Some(&address.host()), now) {
            return Err(too_many());
        }
        match self.fetch(address).await {
            Ok(document) => {
                *failed = None;
                Ok(document)
            }
            Err(Missing { what, passing }) => {
                tracing::warn!(address = address.as_str(), %what, "a client's document cannot be had");
                let old = self.kept.get(address).filter(|kept| passing && now < kept.fetched + LONGEST);
                if let Some(old) = old {
                    // Its host is down, and what it said is of today.
                    let until = now + PAUSE;
                    self.kept.insert(address.clone(), Kept { until, ..old.clone() });
                    return Ok(old.document);
                }
                let code = if passing { Code::TemporarilyUnavailable } else { Code::InvalidClient };
                let refusal = Refusal::new(code, format!("the client's document: {what}"));
                *failed = Some((refusal.clone(), now));
                Err(refusal)
            }
        }
    }

    async fn fetch(&self, address: &Address) -> Result<T, Missing> {
        let fetched = self.source.fetcher.fetch(address.as_str()).await;
        let Fetched { body, fresh } = fetched
            .map_err(|unfetched| Missing { what: unfetched.to_string(), passing: unfetched.is_passing() })?;
        let document = (self.read)(address, &body).map_err(|what| Missing { what, passing: false })?;
        let fetched = self.source.clock.now();
        let until = fetched + fresh.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        self.kept.insert(address.clone(), Kept { document: document.clone(), fetched, until });
        Ok(document)
    }
}

fn bounded<V: Clone + Send + Sync + 'static>() -> Cache<Address, V> {
    Cache::builder().max_capacity(MOST).eviction_policy(EvictionPolicy::lru()).build()
}

fn too_many() -> Refusal {
    Refusal::new(
        Code::TemporarilyUnavailable,
        "too many clients' documents are being fetched; try again in a minute",
    )
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("source", &self.source).finish_non_exhaustive()
    }
}
