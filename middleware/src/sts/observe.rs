use crate::{error::Kind, proof::Identity};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// Is told what happens around credentials: for metrics and for an audit log.
///
/// It is called in the middle of things, so it must be quick and must not block.
///
/// ```
/// use countersign::sts::{Event, Observer};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Debug, Default)]
/// struct Hits(AtomicU64);
///
/// impl Observer for Hits {
///     fn observe(&self, event: &Event<'_>) {
///         if matches!(event, Event::Hit) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// `event` has just happened.
    fn observe(&self, event: &Event<'_>);
}

/// What happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Credentials were at hand.
    Hit,
    /// There were none, and this request had them made.
    Miss,
    /// There were none, and this request waits for those that another one is having made.
    Coalesced,
    /// There are some, and the next are being made ahead of their end.
    RefreshAhead,
    /// There were none, and an earlier refusal was repeated without asking STS.
    Remembered(Kind),
    /// There could be none made.
    Refused(Kind),
    /// Credentials were dropped before their end, because AWS does not accept them any more or somebody said so.
    Evicted,
    /// One call to STS ended.
    Call(Call<'a>),
    /// Somebody became a role: for the audit log.
    Assumed(Assumed<'a>),
}

/// One call to STS.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// `AssumeRole` or `AssumeRoleWithWebIdentity`.
    pub action: &'a str,
    /// Which role was asked for.
    pub role: &'a str,
    /// How it ended.
    pub outcome: Result<(), Kind>,
    /// How long it took.
    pub latency: Duration,
    /// By which id AWS knows it.
    pub request_id: Option<&'a str>,
}

/// Who became which role.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Assumed<'a> {
    /// Who.
    pub caller: &'a Identity,
    /// The role that was selected.
    pub role: &'a str,
    /// The role that is acted in after all hops; the same where there are none.
    pub acting_role: &'a str,
    /// What CloudTrail calls the session.
    pub session_name: &'a str,
    /// Who it was to begin with, as CloudTrail shows it after every hop.
    pub source_identity: Option<&'a str>,
    /// The id of the credentials, which is no secret.
    pub access_key_id: &'a str,
    /// When they end.
    pub expires: SystemTime,
    /// By which id AWS knows the call.
    pub request_id: Option<&'a str>,
}

/// Nobody watches.
#[derive(Debug)]
pub(super) struct Nobody;

impl Observer for Nobody {
    fn observe(&self, _: &Event<'_>) {}
}
