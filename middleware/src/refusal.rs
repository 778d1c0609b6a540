//! An error that everybody who waits for the same thing can be told.

use crate::error::{BoxError, Error, Kind, chain};
use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

/// Why there is no token, in a form that is shared by all who asked for it.
///
/// A [`TokenSource`](crate::tokens::TokenSource) makes one with [`missing`](Self::missing) or
/// [`unavailable`](Self::unavailable). The detail is for the operator's log and holds no token.
///
/// ```
/// use countersign::{Kind, tokens::Refusal};
///
/// let refusal = Refusal::missing("the refresh token was revoked");
/// assert_eq!(refusal.to_string(), "the caller has no token of this provider");
/// assert_eq!(refusal.kind(), Kind::UpstreamTokenMissing);
/// ```
#[derive(Clone)]
pub struct Refusal(Arc<Parts>);

struct Parts {
    kind: Kind,
    what: &'static str,
    detail: BoxError,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// The person has to connect the account at the provider, for the first time or once more.
    pub fn missing(detail: impl Into<BoxError>) -> Self {
        Self::new(Kind::UpstreamTokenMissing, "the caller has no token of this provider", detail)
    }

    /// Whether there is a token cannot be found out now.
    pub fn unavailable(detail: impl Into<BoxError>) -> Self {
        let what = "the caller's token of this provider cannot be looked up or renewed";
        Self::new(Kind::UpstreamUnavailable, what, detail)
    }

    pub(crate) fn new(kind: Kind, what: &'static str, detail: impl Into<BoxError>) -> Self {
        Self(Arc::new(Parts { kind, what, detail: detail.into(), retry_after: None }))
    }

    /// The same, with the time to wait before another try.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        let (kind, what) = (self.0.kind, self.0.what);
        Self(Arc::new(Parts { kind, what, detail: Detail(self).into(), retry_after: Some(after) }))
    }

    /// The error, with the provider it is about: for programs by name, and for the log.
    #[cfg_attr(not(feature = "tokens"), allow(dead_code, reason = "nobody asks a provider"))]
    pub(crate) fn of(self, provider: &str) -> Error {
        let detail = format!("{provider}: {}", chain(&*self.0.detail));
        let error = Error::new(self.0.kind, self.0.what).with_provider(provider).with_source(detail);
        match self.0.retry_after {
            Some(after) => error.with_retry_after(after),
            None => error,
        }
    }

    /// For programs.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// When to try again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.0.kind, refusal.0.what);
        let error = match refusal.0.retry_after {
            Some(after) => error.with_retry_after(after),
            None => error,
        };
        error.with_source(Detail(refusal))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.what)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, detail, retry_after, .. } = &*self.0;
        f.debug_struct("Refusal")
            .field("kind", kind)
            .field("detail", detail)
            .field("retry_after", retry_after)
            .finish_non_exhaustive()
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0.detail)
    }
}

/// What stands below: the detail, which several errors share.
struct Detail(Refusal);

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.0.detail, f)
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.0.detail, f)
    }
}

impl StdError for Detail {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.0.detail.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_clause_and_the_log_the_detail_once() {
        let refusal = Refusal::unavailable("connection refused").with_retry_after(Duration::from_secs(3));
        let chained =
            "the caller's token of this provider cannot be looked up or renewed: connection refused";
        assert_eq!(chain(&refusal), chained);
        let error = Error::from(refusal.clone());
        assert_eq!(chain(&error), chained);
        assert_eq!((error.kind(), error.retry_after()), (refusal.kind(), Some(Duration::from_secs(3))));
        let error = refusal.of("github");
        assert_eq!((error.provider(), error.retry_after()), (Some("github"), Some(Duration::from_secs(3))));
        assert!(chain(&error).ends_with("renewed: github: connection refused"));
    }
}
