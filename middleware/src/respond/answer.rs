use crate::error::{Error, Kind, chain};
use http::StatusCode;
use std::{
    error::Error as StdError,
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

/// What a caller is told about an error: decided once, from its kind, whatever the format.
///
/// ```
/// use countersign::respond::Answer;
/// use http::StatusCode;
///
/// let answer = Answer::to(&std::io::Error::other("connection to 10.1.2.3 refused"));
/// assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert!(!answer.sentence().contains("10.1.2.3"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    error: Option<&'static str>,
    sentence: &'static str,
    challenges: bool,
    scopes: Vec<String>,
    retry_after: Option<Duration>,
    correlation_id: Option<String>,
}

/// Where nobody knows better, another try is worth it about now.
const SOON: Duration = Duration::from_secs(1);

/// In the extensions of a response that a handler made from an error: the layer, which knows more about this
/// service than the handler did, writes it anew. What there is to say was decided, and logged, already.
#[derive(Clone, Debug)]
pub(crate) struct Rewritable(pub(crate) Answer);

/// Refusals that the caller can do nothing about without the operator, who finds the reason by its id.
fn needs_the_operator(error: &(dyn StdError + 'static)) -> bool {
    let kind = error.downcast_ref::<Error>().map(Error::kind);
    matches!(
        kind,
        Some(
            Kind::NoRole | Kind::RuleFailed | Kind::RoleRefused | Kind::ClaimRejected | Kind::ExchangeRefused
        )
    )
}

impl Answer {
    /// The answer to `error`, and its record in the log.
    pub fn to(error: &(dyn StdError + 'static)) -> Self {
        let mut answer = if let Some(error) = error.downcast_ref::<Error>() {
            Self::to_kind(error.kind()).with_details(error)
        } else if error.is::<Elapsed>() {
            Self::plain(StatusCode::GATEWAY_TIMEOUT, "the request took too long")
        } else if error.is::<Overloaded>() {
            Self::busy("too many requests are in progress; try again")
        } else {
            Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here")
        };
        if answer.status.is_server_error() || needs_the_operator(error) {
            let id = format!("{:016x}", RandomState::new().hash_one(()));
            tracing::error!(
                correlation_id = id,
                status = answer.status.as_u16(),
                error = chain(error),
                "refused"
            );
            answer.correlation_id = Some(id);
        } else {
            tracing::debug!(status = answer.status.as_u16(), error = chain(error), "refused");
        }
        answer
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The OAuth error code; none where the request carried no token, and none for faults of the server.
    pub fn error(&self) -> Option<&'static str> {
        self.error
    }

    /// What to tell the caller.
    pub fn sentence(&self) -> &'static str {
        self.sentence
    }

    /// Whether a `WWW-Authenticate` challenge is due.
    pub fn challenges(&self) -> bool {
        self.challenges
    }

    /// The smallest set of scopes that would do, where that is what was lacking.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Under what the log has the details, for an answer of 500 and above, and where AWS or a rule refused.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    fn to_kind(kind: Kind) -> Self {
        let invalid_token = Some("invalid_token");
        match kind {
            Kind::NoToken => Self::challenge(StatusCode::UNAUTHORIZED, None, "sign in to use this service"),
            Kind::ExpiredToken => {
                Self::challenge(StatusCode::UNAUTHORIZED, invalid_token, "the access token expired")
            }
            Kind::UnacceptableToken => {
                let sentence = "the access token was not issued for this service, or was revoked";
                Self::challenge(StatusCode::UNAUTHORIZED, invalid_token, sentence)
            }
            Kind::MalformedCredentials => {
                let sentence = "send exactly one bearer token in one authorization header";
                Self::challenge(StatusCode::BAD_REQUEST, Some("invalid_request"), sentence)
            }
            Kind::InsufficientScope => {
                let sentence = "the access token does not grant what this needs";
                Self::challenge(StatusCode::FORBIDDEN, Some("insufficient_scope"), sentence)
            }
            Kind::IssuerUnavailable => {
                let sentence = "the access token cannot be checked right now; try again";
                Self::busy(sentence)
            }
            Kind::BodyTooLarge => Self::plain(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large"),
            Kind::NoRole => Self::plain(StatusCode::FORBIDDEN, "no rule gives you a role for this"),
            Kind::RuleFailed => {
                Self::plain(StatusCode::FORBIDDEN, "whether you have a role for this could not be decided")
            }
            Kind::UpstreamTokenMissing => {
                Self::plain(StatusCode::FORBIDDEN, "an account that this needs is not connected yet")
            }
            Kind::UpstreamUnavailable => {
                Self::busy("whether your account is connected cannot be found out right now; try again")
            }
            Kind::ExchangeRefused => {
                Self::plain(StatusCode::FORBIDDEN, "the token service gives you no token for this")
            }
            Kind::InvalidExchangeAnswer => {
                Self::plain(StatusCode::BAD_GATEWAY, "the token service does not answer as it should")
            }
            Kind::ExchangeUnavailable => Self::busy("a token for this cannot be had right now; try again"),
            Kind::RoleRefused => Self::plain(
                StatusCode::FORBIDDEN,
                "AWS does not let you act in the role that is meant for this",
            ),
            Kind::ClaimRejected => {
                Self::plain(StatusCode::FORBIDDEN, "AWS was told by the issuer not to accept your token")
            }
            Kind::IdentityTokenRejected => {
                Self::plain(StatusCode::BAD_GATEWAY, "AWS does not accept tokens of this kind here")
            }
            Kind::StsCannotReachIssuer | Kind::StsThrottled | Kind::StsUnavailable => {
                Self::busy("AWS credentials cannot be had right now; try again")
            }
            Kind::NotExchangeable
            | Kind::InvalidStsRequest
            | Kind::MalformedPolicy
            | Kind::PolicyTooLarge
            | Kind::RegionDisabled
            | Kind::NoServiceCredentials
            | Kind::ExchangeClientRefused
            | Kind::Unattachable
            | Kind::Unsignable
            | Kind::NotVerified => {
                Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here")
            }
        }
    }

    fn with_details(self, error: &Error) -> Self {
        Self {
            scopes: error.scopes().to_vec(),
            retry_after: error.retry_after().or(self.retry_after),
            ..self
        }
    }

    fn challenge(status: StatusCode, error: Option<&'static str>, sentence: &'static str) -> Self {
        Self { error, challenges: true, ..Self::plain(status, sentence) }
    }

    fn busy(sentence: &'static str) -> Self {
        Self { retry_after: Some(SOON), ..Self::plain(StatusCode::SERVICE_UNAVAILABLE, sentence) }
    }

    fn plain(status: StatusCode, sentence: &'static str) -> Self {
        Self {
            status,
            error: None,
            sentence,
            challenges: false,
            scopes: Vec::new(),
            retry_after: None,
            correlation_id: None,
        }
    }
}
