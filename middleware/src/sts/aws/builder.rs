use super::{
    client::Client,
    guard::{Guard, Patience},
};
use crate::{
    clock::{Clock, SystemClock},
    proof::RoleArn,
    sts::{
        observe::{Nobody, Observer},
        partition::Partition,
        problem::ConfigError,
    },
};
use std::{net::IpAddr, sync::Arc, time::Duration};
use url::Url;

/// AWS STS in one region. Clones share connections, the limit of concurrent calls and the breaker.
///
/// ```
/// use countersign::sts::Sts;
///
/// let sts = Sts::in_region("eu-west-1")?;
/// let fips = Sts::builder("us-gov-west-1").with_fips().build()?;
/// let inside_the_vpc = Sts::builder("eu-west-1")
///     .with_endpoint("https://vpce-0123456789abcdef0-abcdefgh.sts.eu-west-1.vpce.amazonaws.com")
///     .build()?;
/// assert!(Sts::in_region("Ireland").is_err());
/// # Ok::<(), countersign::sts::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sts(pub(super) Arc<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) guard: Guard,
    pub(super) partition: Partition,
    pub(super) observer: Arc<dyn Observer>,
}

/// Puts an [`Sts`] together.
#[derive(Clone, Debug)]
pub struct StsBuilder {
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) fips: bool,
    concurrency: usize,
    patience: Patience,
    pub(super) clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

impl Sts {
    /// The region's own endpoint.
    ///
    /// # Errors
    ///
    /// When `region` cannot be one.
    pub fn in_region(region: &str) -> Result<Self, ConfigError> {
        Self::builder(region).build()
    }

    /// Whether all of these roles can be assumed from here: to find out at start.
    ///
    /// ```
    /// use countersign::sts::Sts;
    ///
    /// let sts = Sts::in_region("cn-north-1")?;
    /// let roles = ["arn:aws:iam::123456789012:role/Reader".parse()?];
    /// assert!(sts.check_roles(&roles).unwrap_err().to_string().contains("aws-cn"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every role that is in another partition than this region.
    pub fn check_roles<'a>(&self, roles: impl IntoIterator<Item = &'a RoleArn>) -> Result<(), ConfigError> {
        let partition = self.0.partition;
        let foreign = roles.into_iter().filter(|role| role.partition() != partition.name());
        let problem = |role: &RoleArn| {
            let here = partition.name();
            format!(
                "role {role}: STS is called in the partition {here}, which knows no other; name another region"
            )
        };
        ConfigError::unless_empty(foreign.map(problem).collect())
    }

    /// STS in `region`, with other settings.
    pub fn builder(region: &str) -> StsBuilder {
        StsBuilder {
            region: region.to_owned(),
            endpoint: None,
            fips: false,
            concurrency: 50,
            patience: Patience { attempt: Duration::from_secs(5), whole: Duration::from_secs(10) },
            clock: Arc::new(SystemClock),
            observer: Arc::new(Nobody),
        }
    }
}

impl StsBuilder {
    /// Calls another address than the region's own: a VPC endpoint, or a stand-in.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Calls the region's FIPS endpoint.
    #[must_use]
    pub fn with_fips(mut self) -> Self {
        self.fips = true;
        self
    }

    /// How many calls may be under way at once (50). Others wait for their turn.
    #[must_use]
    pub fn with_concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls;
        self
    }

    /// How long one call may take (5 s), and how long all attempts at it together (10 s).
    #[must_use]
    pub fn with_timeouts(mut self, attempt: Duration, whole: Duration) -> Self {
        self.patience = Patience { attempt, whole };
        self
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Tells `observer` of every call.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn build(self) -> Result<Sts, ConfigError> {
        let mut problems = Vec::new();
        let partition = Partition::of_region(&self.region);
        if partition.is_none() {
            let region = &self.region;
            problems.push(format!("region {region:?}: not a region; write it as in eu-west-1"));
        }
        if let Some(endpoint) = &self.endpoint {
            if !is_private(endpoint) {
                problems.push(format!(
                    "endpoint {endpoint:?}: tokens are sent over https only, or to this machine"
                ));
            }
            if self.fips {
                problems.push("fips: a custom endpoint decides that itself; keep one of the two".to_owned());
            }
        }
        if self.concurrency == 0 {
            problems.push("concurrency 0: nobody would ever call; allow at least one call".to_owned());
        }
        if self.patience.attempt.is_zero() || self.patience.whole < self.patience.attempt {
            problems.push("timeouts: one attempt takes some time, and all together no less".to_owned());
        }
        ConfigError::unless_empty(problems)?;
        Ok(Sts(Arc::new(Parts {
            client: Client::new(&self),
            guard: Guard::new(self.concurrency, self.patience, self.clock),
            partition: partition.unwrap_or_default(),
            observer: self.observer,
        })))
    }
}

fn is_private(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}
