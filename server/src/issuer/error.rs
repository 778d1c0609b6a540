//! What goes wrong in the authorization server, and how OAuth says it. No other file here knows a wire format of errors.

use crate::store;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::{error::Error as StdError, fmt};

/// A failure of ours: the store, the system's randomness, a defect.
#[derive(Debug)]
pub(crate) struct Fault {
    what: &'static str,
    source: Option<store::Error>,
}

/// What a client did wrong, or may not do, in OAuth's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: Code,
    /// For whoever develops the client. It quotes no token, code or secret.
    what: String,
}

/// Why a request was not answered as it wished.
#[derive(Debug)]
pub(crate) enum Problem {
    Refused(Refusal),
    Fault(Fault),
}

/// The codes of RFC 6749, 7009, 7591 and 8707.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    AccessDenied,
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    ServerError,
    SlowDown,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
}

impl Fault {
    pub(super) const fn defect(what: &'static str) -> Self {
        Self { what, source: None }
    }
}

impl Refusal {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// For an answer without a redirect.
    pub(crate) const fn status(&self) -> StatusCode {
        match self.code {
            Code::InvalidClient => StatusCode::UNAUTHORIZED,
            Code::SlowDown => StatusCode::TOO_MANY_REQUESTS,
            Code::ServerError | Code::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::AccessDenied
            | Code::InvalidClientMetadata
            | Code::InvalidGrant
            | Code::InvalidRedirectUri
            | Code::InvalidRequest
            | Code::InvalidScope
            | Code::InvalidTarget
            | Code::UnauthorizedClient
            | Code::UnsupportedGrantType
            | Code::UnsupportedResponseType => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.code.name(), "error_description": self.what})
    }
}

impl Code {
    /// What a client is told of a sign-in of which nothing came (RFC 6749, section 4.1.2.1).
    pub(super) fn of_sign_in(told: &str) -> Self {
        match told {
            "access_denied" | "login_required" | "consent_required" => Self::AccessDenied,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            _ => Self::ServerError,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}

impl From<store::Error> for Fault {
    fn from(source: store::Error) -> Self {
        Self { what: "the store did not do what it was asked", source: Some(source) }
    }
}

impl From<store::Error> for Problem {
    fn from(source: store::Error) -> Self {
        Self::Fault(source.into())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source),
            None => None,
        }
    }
}
