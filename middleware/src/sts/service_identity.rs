use super::{
    StaticKeys, Sts,
    ambient::{self, Ambient},
    cache::Look,
    entry::{Entry, Held, Landing, Turn},
    expiry::Lifetime,
    hop::Hop,
    limits,
    problem::ConfigError,
    provider::AssumeStep,
    refusal::Refusal,
};
use crate::{
    clock::{Clock, SystemClock},
    error::Kind,
    proof::{AwsCredentials, AwsRole},
    task,
};
use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Credentials that do not say when they end are read again after this: files are replaced, keys rotated.
const REREAD: Duration = Duration::from_secs(15 * 60);
/// How long before their end credentials are no longer used.
const MARGIN: Duration = Duration::from_secs(60);

/// Who the service itself is to AWS. Clones share the credentials, which are renewed before they end.
///
/// ```
/// use countersign::sts::{Ambient, Hop, ServiceIdentity, StaticKeys, Sts};
///
/// let where_it_runs = ServiceIdentity::from(Ambient::new());
/// let keys = ServiceIdentity::from(StaticKeys::new("AKIDEXAMPLE", "wJalrXUtnFEMI".into()));
/// let another_role = where_it_runs.assuming(
///     &Sts::in_region("eu-west-1")?,
///     Hop::to("arn:aws:iam::123456789012:role/Gateway".parse()?).with_session_name("gateway"),
/// )?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ServiceIdentity(Arc<Inner>);

struct Inner {
    /// Tells this identity from others, in keys of the cache.
    id: u64,
    source: Source,
    entry: Arc<Entry>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum Source {
    Keys(Result<AwsCredentials, Refusal>),
    Ambient(Ambient),
    Assumed { base: ServiceIdentity, sts: Sts, step: AssumeStep },
}

type Loading<'a> = Pin<Box<dyn Future<Output = Result<AwsCredentials, Refusal>> + Send + 'a>>;

impl ServiceIdentity {
    fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { id, source, entry: Arc::new(Entry::new(None)), clock }))
    }

    /// In this role instead, with the credentials of before. The session is called `countersign` unless the hop says
    /// otherwise.
    ///
    /// # Errors
    ///
    /// What AWS would refuse about the hop, and values that depend on a caller: here is none.
    pub fn assuming(&self, sts: &Sts, hop: Hop) -> Result<Self, ConfigError> {
        let Hop { role, session_name, step } = hop;
        let place = |problem: String| format!("assumed role {role}: {problem}");
        let mut problems: Vec<_> =
            step.problems(Some(role.account()), self.is_assumed_role()).into_iter().map(place).collect();
        if !step.is_fixed() {
            problems.push(place("there is no caller; write tags and source identity out".to_owned()));
        }
        let name = session_name.unwrap_or_else(|| "countersign".to_owned());
        if !limits::is_name(&name) {
            problems.push(place(format!("session name {name:?}: 2 to 64 letters, digits and _+=,.@-")));
        }
        ConfigError::unless_empty(problems)?;
        let step = step.for_everybody(AwsRole::new(role.shared(), name));
        let source = Source::Assumed { base: self.clone(), sts: sts.clone(), step };
        Ok(Self::new(source, self.0.clock.clone()))
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::new(self.0.source.clone(), clock)
    }

    /// Fetches the credentials now, instead of at the first request: to find out at start that there are none.
    ///
    /// # Errors
    ///
    /// [`Kind::NoServiceCredentials`], or what STS says.
    pub async fn warm_up(&self) -> Result<(), Refusal> {
        self.credentials().await.map(|_| ())
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    /// Whether it is known to be a role's session, which limits sessions begun from it.
    pub(super) fn is_assumed_role(&self) -> bool {
        matches!(self.0.source, Source::Assumed { .. })
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// What its credentials are kept in, where they change.
    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        let kept = !matches!(self.0.source, Source::Keys(_));
        kept.then_some(&self.0.entry)
    }

    pub(super) fn look(&self) -> Look {
        if let Source::Keys(keys) = &self.0.source {
            return match keys {
                Ok(credentials) => Look::Ready(credentials.clone()),
                Err(refusal) => Look::Refused(refusal.clone()),
            };
        }
        let (entry, now) = (&self.0.entry, self.0.clock.now());
        if let Some((credentials, ageing)) = entry.ready(now) {
            if ageing && let Some(landing) = entry.refresh(now, || None) {
                self.depart(landing);
            }
            return Look::Ready(credentials);
        }
        match entry.turn(now, None) {
            Turn::Ready(credentials) => Look::Ready(credentials),
            Turn::Refused(refusal) => Look::Refused(refusal),
            Turn::Join(flight) => Look::Wait(flight),
            Turn::Lead(flight, landing) => {
                self.depart(landing);
                Look::Wait(flight)
            }
        }
    }

    pub(super) async fn credentials(&self) -> Result<AwsCredentials, Refusal> {
        match self.look() {
            Look::Ready(credentials) => Ok(credentials),
            Look::Refused(refusal) => Err(refusal),
            Look::Wait(flight) => flight
                .outcome
                .await
                .unwrap_or_else(|_| Err(ambient::none("loading them was stopped before it ended"))),
        }
    }

    /// AWS does not accept these any more.
    pub(super) fn forget(&self, access_key_id: &str) {
        self.0.entry.evict(access_key_id);
    }

    fn depart(&self, landing: Landing) {
        let inner = self.0.clone();
        task::spawn(async move {
            let loaded = inner.load().await;
            let now = inner.clock.now();
            match loaded {
                Ok(credentials) => {
                    let expires = credentials.expires().unwrap_or(now + REREAD);
                    let lifetime = Lifetime::new(now, expires, None, MARGIN, credentials.access_key_id());
                    landing.succeed(credentials, now, lifetime, Held::new(&Arc::default(), 0));
                }
                Err(refusal) => {
                    tracing::warn!(
                        error = crate::error::chain(&refusal),
                        "the service's own AWS credentials cannot be had"
                    );
                    landing.fail(&refusal, now);
                }
            }
        });
    }
}

impl Inner {
    /// Boxed: one identity may assume a role with another's credentials.
    fn load(&self) -> Loading<'_> {
        Box::pin(async move {
            match &self.source {
                Source::Keys(keys) => keys.clone(),
                Source::Ambient(ambient) => ambient.load(self.clock.clone()).await,
                Source::Assumed { base, sts, step } => {
                    let credentials = base.credentials().await?;
                    match sts.assume(step, &credentials).await {
                        Err(refusal) if refusal.kind() == Kind::NoServiceCredentials => {
                            base.forget(credentials.access_key_id());
                            let credentials = base.credentials().await?;
                            sts.assume(step, &credentials).await
                        }
                        outcome => outcome,
                    }
                    .map(|issued| issued.credentials)
                }
            }
        })
    }
}

impl From<StaticKeys> for ServiceIdentity {
    fn from(keys: StaticKeys) -> Self {
        Self::new(Source::Keys(ambient::complete(keys.into_credentials())), Arc::new(SystemClock))
    }
}

impl From<Ambient> for ServiceIdentity {
    fn from(ambient: Ambient) -> Self {
        Self::new(Source::Ambient(ambient), Arc::new(SystemClock))
    }
}

impl fmt::Debug for ServiceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ServiceIdentity");
        match &self.0.source {
            Source::Keys(Ok(credentials)) => debug.field(&credentials.access_key_id()),
            Source::Keys(Err(refusal)) => debug.field(refusal),
            Source::Ambient(ambient) => debug.field(ambient),
            Source::Assumed { step, .. } => debug.field(&step.role_arn()),
        };
        debug.finish()
    }
}
