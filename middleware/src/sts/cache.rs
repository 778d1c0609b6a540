use super::{
    ask::{Ask, Glance},
    entry::{Entry, Flight, Held, Landing, Turn},
    expiry::Lifetime,
    key::{self, Key, Mixed},
    observe::{Assumed, Event, Nobody, Observer},
    provider::{CredentialProvider, CredentialRequest, IssuedCredentials},
    refusal::Refusal,
};
use crate::{
    clock::{Clock, SystemClock},
    error::Kind,
    proof::AwsCredentials,
    task,
};
use moka::{policy::EvictionPolicy, sync::Cache};
use secrecy::ExposeSecret;
use std::{
    fmt,
    hash::BuildHasherDefault,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// Credentials by caller and session, over a provider that makes them. Clones share what they know.
///
/// One of these serves all backends: [`AssumeRoleLayer::sharing`](super::AssumeRoleLayer::sharing).
///
/// ```
/// use countersign::sts::{CredentialCache, Sts};
/// use std::time::Duration;
///
/// let cache = CredentialCache::builder(Sts::in_region("eu-west-1")?)
///     .with_capacity(50_000)
///     .with_margin(Duration::from_secs(120))
///     .build();
/// assert_eq!(cache.entries(), 0);
/// # Ok::<(), countersign::sts::ConfigError>(())
/// ```
pub struct CredentialCache<C>(Arc<Inner<C>>);

struct Inner<C> {
    provider: C,
    entries: Cache<Key, Arc<Entry>, BuildHasherDefault<Mixed>>,
    bytes: Arc<AtomicU64>,
    margin: Duration,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    swept: Mutex<SystemTime>,
}

/// How often what is over is dropped.
const SWEEP: Duration = Duration::from_secs(600);

/// Puts a [`CredentialCache`] together.
#[derive(Debug)]
pub struct CredentialCacheBuilder<C> {
    provider: C,
    capacity: u64,
    margin: Duration,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// What can be said at once.
pub(super) enum Look {
    Ready(AwsCredentials),
    Refused(Refusal),
    Wait(Flight),
}

impl<C: CredentialProvider> CredentialCache<C> {
    /// A cache of 10,000 entries over `provider`.
    pub fn new(provider: C) -> Self {
        Self::builder(provider).build()
    }

    /// A cache with other settings.
    pub fn builder(provider: C) -> CredentialCacheBuilder<C> {
        CredentialCacheBuilder {
            provider,
            capacity: 10_000,
            margin: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
            observer: Arc::new(Nobody),
        }
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        // Or else those are counted too that are to go, and those not that have just come.
        self.0.entries.run_pending_tasks();
        self.0.entries.entry_count()
    }

    /// How many bytes the credentials in it take.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Forgets everything about one person, who has to be let in by STS again. What AWS has issued stays good there
    /// until it ends.
    pub fn forget_caller(&self, issuer: &str, subject: &str) {
        let person = key::person(issuer, subject);
        self.forget(|entry| entry.is_of(&person));
    }

    /// Forgets the credentials with this id: a backend does not accept them any more, say. Whether there were any.
    ///
    /// [`RenewCredentials`](super::RenewCredentials) does this by itself where it can see it.
    pub fn forget_credentials(&self, access_key_id: &str) -> bool {
        let found = self.0.entries.iter().any(|(_, entry)| entry.evict(access_key_id));
        if found {
            self.0.observer.observe(&Event::Evicted);
        }
        found
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.forget(|_| true);
    }

    fn forget(&self, which: impl Fn(&Entry) -> bool) {
        let forgotten: Vec<Arc<Key>> =
            self.0.entries.iter().filter(|(_, entry)| which(entry)).map(|(key, _)| key).collect();
        for key in forgotten {
            self.0.entries.invalidate(&*key);
            self.0.observer.observe(&Event::Evicted);
        }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(super) fn observer(&self) -> &Arc<dyn Observer> {
        &self.0.observer
    }

    /// Credentials that are at hand, and what they are kept in.
    pub(super) fn hit(&self, glance: &Glance<'_>) -> Option<(AwsCredentials, Arc<Entry>)> {
        let entry = self.0.entries.get(&glance.key())?;
        let now = self.0.clock.now();
        let (credentials, ageing) = entry.ready(now)?;
        self.0.observer.observe(&Event::Hit);
        if ageing {
            self.refresh(&glance.to_ask(), &entry, now);
        }
        Some((credentials, entry))
    }

    fn refresh(&self, ask: &Ask, entry: &Arc<Entry>, now: SystemTime) {
        if let Some(landing) = entry.refresh(now, || ask.mark()) {
            self.0.observer.observe(&Event::RefreshAhead);
            self.depart(ask, landing);
        }
    }

    /// What is to be done where nothing is at hand.
    pub(super) fn look(&self, ask: &Ask) -> Look {
        let now = self.0.clock.now();
        let entry = self.0.entries.entry_by_ref(&ask.key);
        let entry = entry.or_insert_with(|| Arc::new(Entry::new(Some(ask.person())))).into_value();
        match entry.turn(now, ask.mark()) {
            Turn::Ready(credentials) => {
                self.0.observer.observe(&Event::Hit);
                Look::Ready(credentials)
            }
            Turn::Refused(refusal) => {
                self.0.observer.observe(&Event::Remembered(refusal.kind()));
                Look::Refused(refusal)
            }
            Turn::Join(flight) => {
                self.0.observer.observe(&Event::Coalesced);
                Look::Wait(flight)
            }
            Turn::Lead(flight, landing) => {
                self.0.observer.observe(&Event::Miss);
                self.depart(ask, landing);
                Look::Wait(flight)
            }
        }
    }

    /// Has credentials made, whoever waits for them or gives up.
    fn depart(&self, ask: &Ask, landing: Landing) {
        let (inner, ask) = (self.0.clone(), ask.clone());
        task::spawn(async move {
            match inner.make(&ask).await {
                Ok((request, issued)) => inner.land(&ask, landing, &request, issued),
                Err(refusal) => {
                    inner.observer.observe(&Event::Refused(refusal.kind()));
                    if landing.fail(&refusal, inner.clock.now()) {
                        inner.observer.observe(&Event::Evicted);
                    }
                }
            }
            inner.sweep();
        });
    }
}

impl<C: CredentialProvider> Inner<C> {
    async fn make(&self, ask: &Ask) -> Result<(CredentialRequest, IssuedCredentials), Refusal> {
        let request = ask.request().await?;
        match self.provider.provide(request.clone()).await {
            Ok(issued) => Ok((request, issued)),
            Err(refusal) if refusal.kind() == Kind::NoServiceCredentials => {
                let Some(request) = ask.renewed(&request).await else { return Err(refusal) };
                let issued = self.provider.provide(request.clone()).await?;
                Ok((request, issued))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Drops what is over, now and then, so that no secrets lie around that nobody asks for.
    fn sweep(&self) {
        let now = self.clock.now();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back says nothing about how long ago that was.
        if now.duration_since(*swept).is_ok_and(|elapsed| elapsed < SWEEP) {
            return;
        }
        *swept = now;
        drop(swept);
        let spent = self.entries.iter().filter(|(_, entry)| entry.is_spent(now)).map(|(key, _)| key);
        for key in spent.collect::<Vec<_>>() {
            self.entries.invalidate(&*key);
        }
        // Or else they are dropped with the next entry only.
        self.entries.run_pending_tasks();
    }

    fn land(&self, ask: &Ask, landing: Landing, request: &CredentialRequest, issued: IssuedCredentials) {
        let IssuedCredentials { credentials, expires, request_id } = issued;
        self.observer.observe(&Event::Assumed(Assumed {
            caller: request.caller(),
            role: request.first().role_arn(),
            acting_role: request.last().role_arn(),
            session_name: request.first().session_name(),
            source_identity: request.first().source_identity(),
            access_key_id: credentials.access_key_id(),
            expires,
            request_id: request_id.as_deref(),
        }));
        let now = self.clock.now();
        let lifetime =
            Lifetime::new(now, expires, ask.caller_ends(), self.margin, credentials.access_key_id());
        let held = Held::new(&self.bytes, bytes(&credentials));
        landing.succeed(credentials, now, lifetime, held);
    }
}

impl<C: CredentialProvider> CredentialCacheBuilder<C> {
    /// How many entries there may be (10,000). The one that was used longest ago goes first.
    #[must_use]
    pub fn with_capacity(mut self, entries: u64) -> Self {
        self.capacity = entries;
        self
    }

    /// How long before their end credentials are no longer used (60 s, and never more than a twentieth of a lifetime).
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The cache, empty.
    pub fn build(self) -> CredentialCache<C> {
        let entries = Cache::builder()
            .max_capacity(self.capacity)
            // The default policy may turn a new caller away at the door, and have STS asked for every request.
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildHasherDefault::default());
        CredentialCache(Arc::new(Inner {
            provider: self.provider,
            entries,
            bytes: Arc::default(),
            margin: self.margin,
            swept: Mutex::new(self.clock.now()),
            clock: self.clock,
            observer: self.observer,
        }))
    }
}

impl<C> Clone for CredentialCache<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: fmt::Debug> fmt::Debug for CredentialCache<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache")
            .field("provider", &self.0.provider)
            .field("entries", &self.0.entries.entry_count())
            .finish_non_exhaustive()
    }
}

/// What credentials take where they are kept, the session token first of all.
fn bytes(credentials: &AwsCredentials) -> u64 {
    let token = credentials.session_token().map_or(0, |token| token.expose_secret().len());
    let secret = credentials.secret_access_key().expose_secret().len();
    let length = ENTRY + token + secret + credentials.access_key_id().len();
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An entry, its key and what the allocator keeps about them. Measured by `cargo bench --bench credentials`.
const ENTRY: usize = 1024;
