//! What can go wrong, as one opaque type.
//!
//! An [`Error`] says what happened in three ways: its [`Kind`] for programs, its `Display` for an operator
//! (one clause, no claim, no token), and its [`source`](std::error::Error::source) for whoever digs. What the
//! *caller* is told is decided elsewhere, in [`respond`](crate::respond), from the kind alone.
//!
//! ```
//! use countersign::Kind;
//!
//! assert!(Kind::IssuerUnavailable.is_retryable());
//! assert!(!Kind::ExpiredToken.is_retryable());
//! ```

use std::{fmt, time::Duration};

/// Any error, as tower's own layers hand it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a layer of this crate refused, and why.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    what: &'static str,
    source: Option<BoxError>,
    retry_after: Option<Duration>,
    scopes: Vec<String>,
    provider: Option<Box<str>>,
}

/// The kinds of refusal. Each says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request carries no bearer token.
    ///
    /// Action: the caller signs in where the challenge's `resource_metadata` points.
    NoToken,
    /// The request carries several tokens, or something that cannot be one.
    ///
    /// Action: the caller sends exactly one `Authorization: Bearer …` header within the size limit.
    MalformedCredentials,
    /// The token was good once.
    ///
    /// Action: the caller refreshes it or signs in again.
    ExpiredToken,
    /// The token was not issued for this service by somebody it trusts, or was revoked.
    ///
    /// Action: the caller asks for a token with this service's audience; the operator's log has the reason.
    UnacceptableToken,
    /// The token is good but grants too little.
    ///
    /// Action: the caller asks for a token with the scopes that the challenge names.
    InsufficientScope,
    /// The issuer's keys, or its introspection endpoint, cannot be reached, and the token cannot be judged
    /// without them.
    ///
    /// Action: the caller tries again; the operator checks the way to the issuer.
    IssuerUnavailable,
    /// The body is larger than may be read before it is signed.
    ///
    /// Action: the caller sends less, or the operator raises the limit.
    BodyTooLarge,
    /// The request to a backend cannot be signed: no host, not https, or a header that is not plain text.
    ///
    /// Action: the operator looks at the backend's address; the log has the reason.
    Unsignable,
    /// The rules give this caller no role for this call.
    ///
    /// Action: the caller asks whoever decides over roles; the operator's log names the rules that were asked.
    NoRole,
    /// A rule could not be decided for this caller, so the caller was refused.
    ///
    /// Action: the operator corrects the rule that the log names, or lets it say `on_error: skip`.
    RuleFailed,
    /// The caller's token is none that STS would look at: opaque, signed with an algorithm it does not know, or
    /// too long.
    ///
    /// Action: the operator has credentials brokered, or has the issuer sign with RS256 or ES256.
    NotExchangeable,
    /// The caller has not connected the account at a provider whose token this call needs.
    ///
    /// Action: the caller connects it; signing in again would not help.
    UpstreamTokenMissing,
    /// STS says `AccessDenied`: the role's trust policy does not let this caller in.
    ///
    /// Action: the operator compares the role's trust policy with what the log says was sent.
    RoleRefused,
    /// STS says `InvalidIdentityToken`: it does not believe the token's issuer, audience or signature.
    ///
    /// Action: the operator creates the issuer's OIDC provider in the role's account, with the token's audience
    /// among its clients, and makes sure that AWS can fetch the issuer's keys.
    IdentityTokenRejected,
    /// STS says `IDPRejectedClaim`: the issuer, asked by STS, took the token back or refused it.
    ///
    /// Action: the caller signs in again; the operator looks at the issuer.
    ClaimRejected,
    /// STS says `ValidationError`, or anything else that only a change of configuration ends.
    ///
    /// Action: the operator looks at the log: a duration above the role's maximum, or tags or a source identity that the
    /// trust policy does not allow to be set, are the usual causes.
    InvalidStsRequest,
    /// STS says `MalformedPolicyDocument`: the session policy is none.
    ///
    /// Action: the operator corrects the session policy.
    MalformedPolicy,
    /// STS says `PackedPolicyTooLarge`: session policy and tags together are too long.
    ///
    /// Action: the operator shortens the session policy or sends fewer tags.
    PolicyTooLarge,
    /// STS says `RegionDisabled`.
    ///
    /// Action: the operator activates STS in that region, or names another.
    RegionDisabled,
    /// STS says `IDPCommunicationError`: it could not reach the issuer of the token.
    ///
    /// Action: the caller tries again; the operator makes the issuer's documents reachable for AWS.
    StsCannotReachIssuer,
    /// STS asks for fewer calls.
    ///
    /// Action: the caller tries again after a while; the operator lengthens sessions or raises the quota.
    StsThrottled,
    /// STS cannot be reached, or does not answer in time.
    ///
    /// Action: the caller tries again; the operator checks the way to STS.
    StsUnavailable,
    /// There are no credentials of our own to call AWS with: none were found, or only a part of them, or they are
    /// over.
    ///
    /// Action: the operator looks at the environment, profile or metadata service that the log names.
    NoServiceCredentials,
    /// Whether the caller's account at a provider is connected, or how its token is renewed, cannot be found out now.
    ///
    /// Action: the caller tries again; the operator checks the store of tokens and the way to the provider.
    UpstreamUnavailable,
    /// The token service gives this caller no token for this backend.
    ///
    /// Action: the operator compares its policy with the subject, audience, resource and scope that are asked for.
    ExchangeRefused,
    /// The token service does not know us, or does not let us exchange tokens.
    ///
    /// Action: the operator compares our client id, its authentication and its grant types with the registration there.
    ExchangeClientRefused,
    /// The token service answered with something else than the token that it was asked for.
    ///
    /// Action: the operator looks at the log, and at the token service's address and version.
    InvalidExchangeAnswer,
    /// The token service cannot be reached, or cannot serve now.
    ///
    /// Action: the caller tries again; the operator checks the way to the token service.
    ExchangeUnavailable,
    /// A token or a header cannot be put onto the request to a backend: one is there already, its value is none that a
    /// header can have, or the address is not https.
    ///
    /// Action: the operator looks at the backend's address and headers; the log has the reason.
    Unattachable,
    /// A handler asked for an identity where no layer establishes one.
    ///
    /// Action: the service's author puts `VerifyIdentity` or `TrustIdentity` around the route.
    NotVerified,
}

impl Kind {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::IssuerUnavailable
            | Self::UpstreamUnavailable
            | Self::ExchangeUnavailable
            | Self::StsCannotReachIssuer
            | Self::StsThrottled
            | Self::StsUnavailable => true,
            Self::NoToken
            | Self::MalformedCredentials
            | Self::ExpiredToken
            | Self::UnacceptableToken
            | Self::InsufficientScope
            | Self::BodyTooLarge
            | Self::Unsignable
            | Self::NoRole
            | Self::RuleFailed
            | Self::NotExchangeable
            | Self::UpstreamTokenMissing
            | Self::RoleRefused
            | Self::IdentityTokenRejected
            | Self::ClaimRejected
            | Self::InvalidStsRequest
            | Self::MalformedPolicy
            | Self::PolicyTooLarge
            | Self::RegionDisabled
            | Self::NoServiceCredentials
            | Self::ExchangeRefused
            | Self::ExchangeClientRefused
            | Self::InvalidExchangeAnswer
            | Self::Unattachable
            | Self::NotVerified => false,
        }
    }
}

impl Error {
    /// `what` is one lower-case clause for the operator, without anything that the caller sent.
    pub(crate) fn new(kind: Kind, what: &'static str) -> Self {
        Self(Box::new(Inner {
            kind,
            what,
            source: None,
            retry_after: None,
            scopes: Vec::new(),
            provider: None,
        }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    pub(crate) fn with_scopes(mut self, scopes: Vec<String>) -> Self {
        self.0.scopes = scopes;
        self
    }

    pub(crate) fn with_provider(mut self, provider: &str) -> Self {
        self.0.provider = Some(provider.into());
        self
    }

    /// For a layer of one's own behind [`VerifyIdentity`](crate::identity): the access token was good and was revoked, so
    /// its bearer has to sign in again.
    ///
    /// ```
    /// use countersign::{Error, Kind};
    ///
    /// assert_eq!(Error::revoked_token().kind(), Kind::UnacceptableToken);
    /// ```
    pub fn revoked_token() -> Self {
        Self::new(Kind::UnacceptableToken, "the access token was revoked")
    }

    /// For a layer of one's own behind [`VerifyIdentity`](crate::identity): the access token is good, and does not reach
    /// as far as its bearer wants to go. `scopes` are the smallest set that would do, and what the challenge names.
    ///
    /// ```
    /// use countersign::{Error, Kind};
    ///
    /// let error = Error::insufficient_scope(["stock:write"]);
    /// assert_eq!((error.kind(), error.scopes()), (Kind::InsufficientScope, &["stock:write".to_owned()][..]));
    /// ```
    pub fn insufficient_scope<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Self {
        let error = Self::new(Kind::InsufficientScope, "the access token lacks a scope that this takes");
        error.with_scopes(scopes.into_iter().map(Into::into).collect())
    }

    /// For programs.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the same request may succeed later without anybody changing anything: what a retry policy asks.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// When to try again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The smallest set of scopes that would do; empty unless the kind is [`Kind::InsufficientScope`].
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whose token is missing or cannot be had, as it is configured: for a kind that speaks of a provider.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("what", &self.0.what)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// An error with everything below it, on one line: for logs.
#[cfg_attr(not(any(feature = "identity", feature = "respond")), allow(dead_code, reason = "nobody logs"))]
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text.push_str(": ");
        text.push_str(&source.to_string());
        below = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn display_is_the_clause_without_its_source() {
        let error = Error::new(Kind::IssuerUnavailable, "the issuer's keys cannot be fetched")
            .with_source("connection refused")
            .with_retry_after(Duration::from_secs(5));
        assert_eq!(error.to_string(), "the issuer's keys cannot be fetched");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection refused"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    }
}
