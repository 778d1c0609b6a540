//! An issuer's published keys: fetched in the background, refreshed before they age, kept while it is down.

use super::{
    claims::unacceptable,
    discovery,
    key::{Algorithm, Key},
    key_set::{Choice, KeySet},
};
use crate::{
    clock::Clock,
    error::{Error, Kind},
    fetch::Fetcher,
    task,
};
use arc_swap::ArcSwap;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::watch;
use url::Url;

/// How long keys are kept where the issuer does not say, and the bounds of what it may say.
const LIFETIME: Duration = Duration::from_secs(600);
const MIN_LIFETIME: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(86_400);
/// How long a discovered address is kept: a key set that moved may leave a copy behind that nobody updates.
const REDISCOVERY: Duration = Duration::from_secs(3600);
/// Before the first keys arrive there is nothing to serve, and waiting long helps nobody.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(1);

/// Where to look for keys.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The key set itself.
    Jwks(Url),
    /// Discovery documents that name it, the likelier first.
    Discovery(Vec<Url>),
}

/// The keys of one issuer over time.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    issuer: String,
    source: Source,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    cool_down: Duration,
    loaded: ArcSwap<Loaded>,
    refreshing: Mutex<Refreshing>,
}

#[derive(Debug, Default)]
struct Loaded {
    keys: KeySet,
    since: Option<SystemTime>,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Refreshing {
    running: Option<Refresh>,
    started: Option<SystemTime>,
    failed: bool,
    discovered: Option<(Url, SystemTime)>,
}

/// A refresh under way. It is over when its sender is gone.
pub(super) type Refresh = watch::Receiver<()>;

/// What a token's header leads to.
pub(super) enum Lookup {
    Found(Arc<Key>),
    Refused(Error),
    /// Ask again when this is over.
    Wait(Refresh),
}

impl RemoteKeys {
    pub(super) fn new(
        issuer: &str,
        source: Source,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
        cool_down: Duration,
    ) -> Self {
        Self {
            issuer: issuer.to_owned(),
            source,
            fetcher,
            clock,
            cool_down,
            loaded: ArcSwap::default(),
            refreshing: Mutex::default(),
        }
    }

    /// Finds the key for a token's header. `patient` callers wait for a refresh that may bring it.
    pub(super) fn find(self: &Arc<Self>, kid: Option<&str>, algorithm: Algorithm, patient: bool) -> Lookup {
        if let Some(refresh) = self.keep_fresh().filter(|_| patient) {
            return Lookup::Wait(refresh);
        }
        if let Some(known) = self.known(kid, algorithm) {
            return known;
        }
        if let Some(refresh) = self.refresh().filter(|_| patient) {
            return Lookup::Wait(refresh);
        }
        // A refresh may have ended since the last look, and only a further look tells.
        self.known(kid, algorithm).unwrap_or_else(|| {
            Lookup::Refused(if self.lock().failed || !self.is_loaded() {
                self.unavailable()
            } else {
                unacceptable("the token is signed with a key that its issuer does not publish")
            })
        })
    }

    /// Starts a refresh where the keys have aged. One that has to be waited for is returned: there are no keys
    /// yet, or nobody asked for so long that one may have been withdrawn meanwhile.
    pub(super) fn keep_fresh(self: &Arc<Self>) -> Option<Refresh> {
        let loaded = self.loaded.load();
        let Some(age) = loaded.age(self.clock.now()) else {
            return self.refresh();
        };
        if age >= loaded.lifetime && !self.lock().failed {
            return self.refresh();
        }
        if age >= loaded.lifetime.mul_f64(0.8) {
            self.refresh();
        }
        None
    }

    /// Starts a refresh, or joins the one that runs. `None` within the cool-down after the last one.
    pub(super) fn refresh(self: &Arc<Self>) -> Option<Refresh> {
        let mut refreshing = self.lock();
        if let Some(running) = &refreshing.running
            && running.has_changed().is_ok()
        {
            return Some(running.clone());
        }
        // Under the lock, or else a refresh that another caller started meanwhile would lie in the future.
        let now = self.clock.now();
        // A clock that was set back says nothing about how long ago that was.
        let elapsed = refreshing.started.and_then(|started| now.duration_since(started).ok());
        if elapsed.is_some_and(|elapsed| elapsed < self.pause()) {
            return None;
        }
        let (running, over) = watch::channel(());
        refreshing.started = Some(now);
        refreshing.running = Some(over.clone());
        drop(refreshing);
        let keys = self.clone();
        task::spawn(async move {
            keys.load().await;
            drop(running);
        });
        Some(over)
    }

    /// Whether there are keys to serve with.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded.load().since.is_some()
    }

    pub(super) fn unavailable(&self) -> Error {
        Error::new(Kind::IssuerUnavailable, "the issuer's keys cannot be fetched")
            .with_retry_after(self.pause())
    }

    /// How long after a refresh the next one may start.
    fn pause(&self) -> Duration {
        if self.is_loaded() { self.cool_down } else { self.cool_down.min(FIRST_COOL_DOWN) }
    }

    fn known(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Lookup> {
        match self.loaded.load().keys.choose(kid, algorithm) {
            Choice::One(key) => Some(Lookup::Found(key.clone())),
            Choice::Ambiguous => {
                Some(Lookup::Refused(unacceptable("the token names no key, and several of its issuer's fit")))
            }
            Choice::Unknown => None,
        }
    }

    async fn load(&self) {
        let outcome = self.fetch().await;
        match &outcome {
            Ok(loaded) => {
                if loaded.keys.is_empty() {
                    tracing::warn!(issuer = %self.issuer, "the issuer publishes no key that can verify a token");
                }
            }
            Err(problem) => {
                tracing::warn!(issuer = %self.issuer, %problem, "the issuer's keys cannot be fetched")
            }
        }
        let failed = outcome.is_err();
        if let Ok(loaded) = outcome {
            self.loaded.store(Arc::new(loaded));
        }
        let mut refreshing = self.lock();
        refreshing.failed = failed;
        refreshing.running = None;
        if failed {
            // Perhaps the key set has moved.
            refreshing.discovered = None;
        }
    }

    async fn fetch(&self) -> Result<Loaded, String> {
        let url = self.jwks_uri().await?;
        let (document, max_age) =
            self.fetcher.document(&url).await.map_err(|problem| format!("{url}: {problem}"))?;
        let keys = KeySet::parse(&document, &self.loaded.load().keys)
            .map_err(|problem| format!("{url}: {problem}"))?;
        let lifetime = max_age.unwrap_or(LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME);
        Ok(Loaded { keys, since: Some(self.clock.now()), lifetime })
    }

    async fn jwks_uri(&self) -> Result<Url, String> {
        let candidates = match &self.source {
            Source::Jwks(url) => return Ok(url.clone()),
            Source::Discovery(candidates) => candidates,
        };
        let now = self.clock.now();
        if let Some((url, since)) = self.lock().discovered.clone()
            && now.duration_since(since).is_ok_and(|age| age < REDISCOVERY)
        {
            return Ok(url);
        }
        let url = discovery::jwks_uri(&self.fetcher, &self.issuer, candidates).await?;
        self.lock().discovered = Some((url.clone(), now));
        Ok(url)
    }

    fn lock(&self) -> MutexGuard<'_, Refreshing> {
        self.refreshing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// `None` before the first keys arrived.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        // Keys from the future say that the clock was set back, and nothing about how old they are.
        self.since.map(|since| now.duration_since(since).unwrap_or(self.lifetime))
    }
}
