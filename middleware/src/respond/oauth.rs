use super::{Answer, Respond};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value};

/// OAuth's own format: a `WWW-Authenticate: Bearer` challenge (RFC 6750) that says where the resource's metadata
/// are (RFC 9728), and a small JSON body.
///
/// ```
/// use countersign::respond::{OAuth, RespondLayer};
///
/// let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
/// let layer = RespondLayer::with(OAuth::new().with_resource_metadata(metadata).with_scope("mcp"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct OAuth {
    resource_metadata: Option<String>,
    scope: Option<String>,
}

impl OAuth {
    /// Challenges without further directions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The address of the protected resource's metadata: what a client needs to find out where to sign in.
    #[must_use]
    pub fn with_resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// The scopes to ask for, separated by spaces, unless an error knows better.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    fn challenge(&self, answer: &Answer) -> Option<HeaderValue> {
        let scope = match answer.scopes() {
            [] => self.scope.clone(),
            scopes => Some(scopes.join(" ")),
        };
        let parameters = [
            ("error", answer.error().map(str::to_owned)),
            ("error_description", answer.error().map(|_| answer.sentence().to_owned())),
            ("resource_metadata", self.resource_metadata.clone()),
            ("scope", scope),
        ];
        let list: Vec<String> = parameters
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}=\"{}\"", quoted(&value))))
            .collect();
        let text = format!("Bearer {}", list.join(", "));
        HeaderValue::from_str(text.trim_end()).ok()
    }
}

impl<B: From<Bytes>> Respond<B> for OAuth {
    fn respond(&self, answer: &Answer) -> Response<B> {
        let mut fields = Map::new();
        if let Some(error) = answer.error() {
            fields.insert("error".to_owned(), error.into());
        }
        fields.insert("error_description".to_owned(), answer.sentence().into());
        if let Some(id) = answer.correlation_id() {
            fields.insert("correlation_id".to_owned(), id.into());
        }
        let mut response = Response::new(B::from(Bytes::from(Value::Object(fields).to_string())));
        *response.status_mut() = answer.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge(answer).filter(|_| answer.challenges()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = answer.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

/// The inside of a quoted string (RFC 9110, section 5.6.4). What cannot stand in a header is percent-encoded, as in
/// an address, so that the rest of the challenge still arrives.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use http::StatusCode;
    use std::time::Duration;

    fn respond(error: &Error) -> (StatusCode, Option<String>, Value) {
        let oauth = OAuth::new().with_resource_metadata("https://r/\"meta").with_scope("mcp");
        let response: Response<Bytes> = oauth.respond(&Answer::to(error));
        let challenge =
            response.headers().get(header::WWW_AUTHENTICATE).map(|v| v.to_str().unwrap().to_owned());
        (response.status(), challenge, serde_json::from_slice(response.body()).unwrap())
    }

    #[test]
    fn a_request_without_token_gets_no_error_code() {
        let (status, challenge, body) = respond(&Error::new(Kind::NoToken, "secret detail"));
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(challenge.unwrap(), r#"Bearer resource_metadata="https://r/\"meta", scope="mcp""#);
        assert!(body.get("error").is_none() && !body.to_string().contains("secret detail"));
    }

    #[test]
    fn a_challenge_survives_what_no_header_holds() {
        let oauth = OAuth::new().with_resource_metadata("https://b\u{fc}cher.example/\n");
        let answer = Answer::to(&Error::new(Kind::NoToken, "x"));
        let response: Response<Bytes> = oauth.respond(&answer);
        let challenge = r#"Bearer resource_metadata="https://b%C3%BCcher.example/%0A""#;
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge);
    }

    #[test]
    fn the_scopes_that_would_do_are_named() {
        let error = Error::new(Kind::InsufficientScope, "x").with_scopes(vec!["a".into(), "b".into()]);
        let (status, challenge, _) = respond(&error);
        assert_eq!(status, StatusCode::FORBIDDEN);
        let challenge = challenge.unwrap();
        assert!(challenge.contains(r#"error="insufficient_scope""#) && challenge.contains(r#"scope="a b""#));
    }

    #[test]
    fn faults_of_the_server_do_not_challenge() {
        let error = Error::new(Kind::IssuerUnavailable, "x").with_retry_after(Duration::from_secs(30));
        let response: Response<Bytes> = OAuth::new().respond(&Answer::to(&error));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "30");
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["correlation_id"].as_str().map(str::len), Some(16));
    }
}
