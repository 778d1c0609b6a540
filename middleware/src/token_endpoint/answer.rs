//! What a token endpoint answers, and how it says no: RFC 6749, section 5.

use crate::fetch::json;
use bytes::Bytes;
use http::{Response, StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use std::{fmt, time::Duration};

/// A successful answer.
#[derive(Deserialize)]
pub(crate) struct Granted {
    #[serde(deserialize_with = "secret")]
    pub(crate) access_token: SecretString,
    pub(crate) token_type: String,
    #[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "nobody exchanges"))]
    pub(crate) issued_token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_secret")]
    #[cfg_attr(not(feature = "tokens"), allow(dead_code, reason = "nobody renews"))]
    pub(crate) refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "maybe_secret")]
    #[cfg_attr(not(feature = "tokens"), allow(dead_code, reason = "nobody renews"))]
    pub(crate) id_token: Option<SecretString>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server said no, in these words of the standard.
    Refused(Code),
    /// The server asks to be left alone, and has done nothing.
    Busy(Option<Duration>),
    /// Nothing of the request arrived there.
    Unsent(String),
    /// Nobody knows what became of the request.
    Unknown(String),
    /// The server answered something that is no answer.
    Unusable(String),
}

/// An error code of OAuth's. Whatever else a server writes is not repeated anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
    Other,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Failure {
    /// Whether the same request may succeed in a moment.
    #[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "nobody exchanges"))]
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unsent(_) | Self::Unknown(_))
    }

    /// When to try again, where the server said so.
    #[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "nobody exchanges"))]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Self::Busy(after) = self { *after } else { None }
    }
}

/// Reads an answer, whatever its status.
pub(super) fn read(response: &Response<Bytes>) -> Result<Granted, Failure> {
    let status = response.status();
    if status.is_success() {
        // What it is instead stays out of the log: it may be a token.
        let granted: Granted = json::object(response.body())
            .map_err(|_| Failure::Unusable(format!("answered {status} with something else than a token")))?;
        return Ok(granted);
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Err(Failure::Busy(retry_after(response)));
    }
    if status.is_server_error() {
        return Err(Failure::Unknown(format!("answered {status}")));
    }
    if status.is_redirection() {
        let what = format!("answered {status}: redirects are not followed, name the final address");
        return Err(Failure::Unusable(what));
    }
    match json::object::<Refused>(response.body()) {
        Ok(refused) => Err(Failure::Refused(Code::parse(&refused.error))),
        Err(_) => Err(Failure::Unusable(format!("answered {status} without saying why"))),
    }
}

impl Code {
    fn parse(text: &str) -> Self {
        match text {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::Other => "an error code of its own",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "it said {code}"),
            Self::Busy(_) => f.write_str("it asks for fewer requests"),
            Self::Unsent(what) | Self::Unknown(what) | Self::Unusable(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {}

fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

fn secret<'d, D: Deserializer<'d>>(deserializer: D) -> Result<SecretString, D::Error> {
    maybe_secret(deserializer)?.ok_or_else(|| D::Error::custom("it is empty"))
}

/// An empty one is none.
fn maybe_secret<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
}

/// Some servers write the number as text.
fn seconds<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    const LONGEST: u64 = 10 * 365 * 24 * 3600;
    let seconds = match Option::<Value>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let seconds = seconds.ok_or_else(|| D::Error::custom("it is no number of seconds"))?;
    Ok(Some(Duration::from_secs(seconds.min(LONGEST))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn answer(status: u16, body: &'static str) -> Result<Granted, Failure> {
        let response =
            Response::builder().status(status).header("retry-after", "7").body(body.into()).unwrap();
        read(&response)
    }

    #[test]
    fn a_token_and_what_is_said_about_it() {
        let granted = answer(
            200,
            r#"{"access_token": "t", "token_type": "Bearer", "expires_in": "60", "id_token": ""}"#,
        );
        let granted = granted.ok().unwrap();
        assert_eq!((granted.access_token.expose_secret(), granted.token_type.as_str()), ("t", "Bearer"));
        assert_eq!(granted.expires_in, Some(Duration::from_secs(60)));
        assert!(granted.id_token.is_none() && granted.refresh_token.is_none());
    }

    #[test]
    fn every_other_answer_is_known_for_what_it_is() {
        for body in [
            "",
            "token",
            "[]",
            "{}",
            r#"{"access_token": "t"}"#,
            r#"{"access_token": "", "token_type": "Bearer"}"#,
            r#"{"access_token": ["t"], "token_type": "Bearer"}"#,
            r#"{"access_token": "t", "token_type": "Bearer", "expires_in": -1}"#,
            r#"{"access_token": "t", "token_type": "Bearer", "expires_in": "soon"}"#,
        ] {
            assert!(matches!(answer(200, body), Err(Failure::Unusable(_))), "{body}");
        }
        let refused = |body| answer(400, body).err().unwrap();
        assert_eq!(refused(r#"{"error": "invalid_target"}"#), Failure::Refused(Code::InvalidTarget));
        let said = refused(r#"{"error": "<secret>", "error_description": "secret"}"#);
        assert_eq!(said, Failure::Refused(Code::Other));
        assert!(!said.to_string().contains("secret"));
        assert!(matches!(refused("<html>"), Failure::Unusable(_)));
        assert_eq!(answer(503, "").err(), Some(Failure::Busy(Some(Duration::from_secs(7)))));
        assert!(matches!(answer(500, r#"{"error": "invalid_grant"}"#), Err(Failure::Unknown(_))));
        assert!(matches!(answer(302, ""), Err(Failure::Unusable(_))));
    }
}
