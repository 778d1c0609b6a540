use crate::error::{BoxError, Error, Kind};
use std::{fmt, sync::Arc, time::Duration};

/// Why there are no credentials, in a form that everybody who waits for them can be told.
///
/// A [`CredentialProvider`](super::CredentialProvider) makes one from a [`Kind`], which decides what the caller is
/// told and how long it is remembered, and from whatever the operator should read.
///
/// ```
/// use countersign::{Kind, sts::Refusal};
///
/// let refusal = Refusal::new(Kind::StsUnavailable, "connection refused");
/// assert_eq!(refusal.to_string(), "STS cannot be reached, or does not answer in time");
/// assert!(refusal.kind().is_retryable());
/// ```
#[derive(Clone)]
pub struct Refusal(Arc<Parts>);

struct Parts {
    kind: Kind,
    detail: BoxError,
    retry_after: Option<Duration>,
}

/// Whom a refusal concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    /// Whoever has this very token, and nobody else.
    OneToken,
    /// Everybody who asks for the same session.
    Everybody,
    /// Nobody for long: it was the network, or STS.
    TheMoment,
}

impl Refusal {
    /// `detail` is for the operator's log, and holds neither tokens nor keys.
    pub fn new(kind: Kind, detail: impl Into<BoxError>) -> Self {
        Self(Arc::new(Parts { kind, detail: detail.into(), retry_after: None }))
    }

    /// The same, with the time that STS asks to be left alone for.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        let detail = Shared(self.clone()).into();
        Self(Arc::new(Parts { kind: self.0.kind, detail, retry_after: Some(after) }))
    }

    /// For programs.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// When to try again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "every other kind ends only with a change of configuration"
    )]
    pub(super) fn concerns(&self) -> Concerns {
        match self.0.kind {
            Kind::ExpiredToken
            | Kind::IdentityTokenRejected
            | Kind::ClaimRejected
            | Kind::NotExchangeable => Concerns::OneToken,
            kind if kind.is_retryable() => Concerns::TheMoment,
            _ => Concerns::Everybody,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.kind(), clause(refusal.kind()));
        let error = match refusal.retry_after() {
            Some(after) => error.with_retry_after(after),
            None => error,
        };
        error.with_source(Shared(refusal))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(clause(self.0.kind))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0.detail)
    }
}

/// What stands below an error: the detail, which several errors share.
struct Shared(Refusal);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.detail.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.detail.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.0.detail.source()
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "no other kind is a matter of credentials")]
fn clause(kind: Kind) -> &'static str {
    match kind {
        Kind::ExpiredToken => "the caller's token expired before STS saw it",
        Kind::NotExchangeable => "the caller's token is none that STS would look at",
        Kind::RoleRefused => "the role's trust policy does not let this caller in",
        Kind::IdentityTokenRejected => "STS does not believe the caller's token",
        Kind::ClaimRejected => "the token's issuer told STS not to accept it",
        Kind::InvalidStsRequest => "STS cannot do what it was asked for",
        Kind::MalformedPolicy => "the session policy is none",
        Kind::PolicyTooLarge => "session policy and tags are too long together",
        Kind::RegionDisabled => "STS is not active in this region",
        Kind::StsCannotReachIssuer => "STS could not reach the issuer of the token",
        Kind::StsThrottled => "STS asks for fewer calls",
        Kind::StsUnavailable => "STS cannot be reached, or does not answer in time",
        Kind::NoServiceCredentials => "there are no AWS credentials of our own to call with",
        _ => "there are no credentials for this call",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::chain;

    #[test]
    fn an_error_says_the_clause_and_the_log_the_detail_once() {
        let refusal = Refusal::new(Kind::StsThrottled, "Throttling: rate exceeded")
            .with_retry_after(Duration::from_secs(2));
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(2)));
        assert_eq!(chain(&refusal), "STS asks for fewer calls: Throttling: rate exceeded");
        let error = Error::from(refusal);
        assert_eq!(error.kind(), Kind::StsThrottled);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
        assert_eq!(chain(&error), "STS asks for fewer calls: Throttling: rate exceeded");
    }

    #[test]
    fn a_tokens_own_fault_is_told_from_everybodys() {
        for (kind, concerns) in [
            (Kind::ExpiredToken, Concerns::OneToken),
            (Kind::NotExchangeable, Concerns::OneToken),
            (Kind::RoleRefused, Concerns::Everybody),
            (Kind::NoServiceCredentials, Concerns::Everybody),
            (Kind::StsUnavailable, Concerns::TheMoment),
            (Kind::StsCannotReachIssuer, Concerns::TheMoment),
        ] {
            assert_eq!(Refusal::new(kind, "x").concerns(), concerns, "{kind:?}");
        }
    }
}
