//! Opaque tokens: their issuer is asked (RFC 7662).

use super::claims::{Demands, Span, unacceptable};
use crate::{
    clock::Clock,
    error::{Error, Kind},
    fetch::{Fetcher, json::object},
    proof::Identity,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Semaphore;
use url::Url;

/// An answer is believed no longer than this, however long the token lasts: it may be revoked.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// How to ask an issuer about a token that says nothing by itself.
///
/// ```
/// use countersign::identity::{Introspection, Issuer};
///
/// let issuer = Issuer::new("https://login.example.com", "https://api.example.com")
///     .with_introspection(Introspection::new("https://login.example.com/introspect", "gateway", "secret".into()));
/// ```
#[derive(Clone)]
pub struct Introspection {
    pub(super) endpoint: String,
    client_id: String,
    client_secret: SecretString,
    secret_in_body: bool,
    issuer_may_be_missing: bool,
    audience_may_be_missing: bool,
}

/// An introspection endpoint that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Introspector {
    pub(super) endpoint: Url,
    pub(super) settings: Introspection,
    pub(super) fetcher: Fetcher,
    /// Whoever invents tokens must not keep the issuer, or us, busy without end.
    pub(super) turns: Arc<Semaphore>,
}

/// How many questions are asked at once.
pub(super) const TURNS: usize = 64;

impl Introspection {
    /// Asks `endpoint`, authenticating with `client_secret_basic`.
    pub fn new(
        endpoint: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: SecretString,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            client_id: client_id.into(),
            client_secret,
            secret_in_body: false,
            issuer_may_be_missing: false,
            audience_may_be_missing: false,
        }
    }

    /// Authenticates with `client_secret_post` instead.
    #[must_use]
    pub fn with_secret_in_body(mut self) -> Self {
        self.secret_in_body = true;
        self
    }

    /// Believes answers without `iss`. Without it nothing but the endpoint's address says who vouches.
    #[must_use]
    pub fn dangerous_without_issuer(mut self) -> Self {
        self.issuer_may_be_missing = true;
        self
    }

    /// Believes answers without `aud`. A token that was issued for any other service then opens this one.
    #[must_use]
    pub fn dangerous_without_audience(mut self) -> Self {
        self.audience_may_be_missing = true;
        self
    }
}

impl Introspector {
    /// What the issuer says about `token`, and how long that may be remembered.
    pub(super) async fn ask(
        &self,
        token: &SecretString,
        demands: &Demands,
        clock: &dyn Clock,
    ) -> Result<(Identity, Span), Error> {
        let _turn = self.turns.try_acquire().map_err(|_| busy())?;
        let request = self.request(token).map_err(|error| unavailable(error.to_string()))?;
        let answer = self.fetcher.post(&self.endpoint, request).await.map_err(unavailable)?;
        // What the answer is instead stays out of the log: it may be the token.
        let said: Map<String, Value> =
            object(&answer).map_err(|_| unavailable("its answer is no JSON object"))?;
        if said.get("active") != Some(&Value::Bool(true)) {
            return Err(unacceptable("the issuer says that the token is not active"));
        }
        let now = clock.now();
        let end = now.checked_add(BELIEVED_FOR).unwrap_or(now);
        let (mut parts, span) = demands.check(self.completed(&said, demands, end), token.clone(), now)?;
        if !said.contains_key("exp") {
            parts.expires = None;
        }
        parts.claims = said;
        Ok((Identity::new(parts), Span { until: span.until.min(end), ..span }))
    }

    /// What the issuer said, and for the check alone what it may leave out.
    fn completed(&self, said: &Map<String, Value>, demands: &Demands, end: SystemTime) -> Map<String, Value> {
        let mut claims = said.clone();
        let in_seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        claims.entry("exp").or_insert_with(|| json!(in_seconds));
        if self.settings.issuer_may_be_missing {
            claims.entry("iss").or_insert_with(|| json!(demands.issuer));
        }
        if self.settings.audience_may_be_missing {
            claims.entry("aud").or_insert_with(|| json!(demands.audiences));
        }
        claims
    }

    fn request(&self, token: &SecretString) -> Result<Request<Full<Bytes>>, http::Error> {
        let Introspection { client_id, client_secret, secret_in_body, .. } = &self.settings;
        let mut form = vec![("token", token.expose_secret()), ("token_type_hint", "access_token")];
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if *secret_in_body {
            form.extend([
                ("client_id", client_id.as_str()),
                ("client_secret", client_secret.expose_secret()),
            ]);
        } else {
            request = request.header(header::AUTHORIZATION, basic(client_id, client_secret));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        request.body(Full::from(body))
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Both halves are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic(client_id: &str, client_secret: &SecretString) -> String {
    let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(client_secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair))
}

fn busy() -> Error {
    Error::new(Kind::IssuerUnavailable, "too many tokens are being asked about at once")
        .with_retry_after(Duration::from_secs(1))
}

fn unavailable(problem: impl Into<String>) -> Error {
    Error::new(Kind::IssuerUnavailable, "the issuer cannot be asked about the token")
        .with_source(problem.into())
}
