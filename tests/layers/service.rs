//! The service under test: an axum router on a loopback port, and a client that calls it.

use axum::{Json, Router, routing::get};
use bytes::Bytes;
use countersign::{ServiceBuilderExt, identity::Verifier, proof::Identity, respond::OAuth};
use countersign_fixtures::http::Server;
use countersign_tests::client::{Answer, Plain};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceBuilder;

const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource";

#[derive(Clone)]
pub(crate) struct Service {
    url: String,
    http: Plain,
    _server: std::sync::Arc<Server>,
}

impl Service {
    /// One route that says who is calling, behind the layer.
    pub(crate) async fn guarded_by(verifier: Verifier) -> Self {
        let stack = ServiceBuilder::new().respond_with(oauth()).verify_identity_for_router(verifier);
        Self::start(Router::new().route("/", get(whoami)).layer(stack)).await
    }

    pub(crate) async fn start(router: Router) -> Self {
        let server = Server::start(router).await;
        Self { url: server.url(), http: Plain::default(), _server: server.into() }
    }

    /// Asks with one bearer token.
    pub(crate) async fn ask(&self, token: &str) -> Answer {
        self.get("/", &bearer(token)).await
    }

    /// Asks without any.
    pub(crate) async fn ask_as_nobody(&self) -> Answer {
        self.get("/", &[]).await
    }

    /// Asks with these `Authorization` headers.
    pub(crate) async fn get(&self, path: &str, authorization: &[HeaderValue]) -> Answer {
        let mut request = Request::get(format!("{}{path}", self.url)).body(Full::<Bytes>::default()).unwrap();
        for value in authorization {
            request.headers_mut().append(header::AUTHORIZATION, value.clone());
        }
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.http.send(request).await.unwrap()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// What every service here answers errors with.
pub(crate) fn oauth() -> OAuth {
    OAuth::new().with_resource_metadata(METADATA)
}

pub(crate) fn bearer(token: &str) -> [HeaderValue; 1] {
    [HeaderValue::from_str(&format!("Bearer {token}")).unwrap()]
}

pub(crate) async fn whoami(caller: Identity) -> Json<Value> {
    Json(json!({
        "issuer": caller.issuer(),
        "subject": caller.subject(),
        "scopes": caller.scopes(),
    }))
}

/// How one kind of error is answered, to the letter.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: Option<&'static str>,
    pub(crate) sentence: &'static str,
    /// The challenge, less the resource's metadata; `None` where none is due.
    pub(crate) challenge: Option<[&'static str; 2]>,
    pub(crate) retry_after: Option<&'static str>,
}

pub(crate) const NO_TOKEN: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    error: None,
    sentence: "sign in to use this service",
    challenge: Some(["Bearer ", ""]),
    retry_after: None,
};

pub(crate) const MALFORMED: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    error: Some("invalid_request"),
    sentence: "send exactly one bearer token in one authorization header",
    challenge: Some([
        r#"Bearer error="invalid_request", error_description="send exactly one bearer token in one authorization header", "#,
        "",
    ]),
    retry_after: None,
};

pub(crate) const EXPIRED: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    error: Some("invalid_token"),
    sentence: "the access token expired",
    challenge: Some([r#"Bearer error="invalid_token", error_description="the access token expired", "#, ""]),
    retry_after: None,
};

pub(crate) const UNACCEPTABLE: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    error: Some("invalid_token"),
    sentence: "the access token was not issued for this service, or was revoked",
    challenge: Some([
        r#"Bearer error="invalid_token", error_description="the access token was not issued for this service, or was revoked", "#,
        "",
    ]),
    retry_after: None,
};

/// Where the scopes `mcp` and `read` are demanded.
pub(crate) const TOO_LITTLE: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    error: Some("insufficient_scope"),
    sentence: "the access token does not grant what this needs",
    challenge: Some([
        r#"Bearer error="insufficient_scope", error_description="the access token does not grant what this needs", "#,
        r#", scope="mcp read""#,
    ]),
    retry_after: None,
};

/// When the cool-down has to pass first.
pub(crate) const UNAVAILABLE: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    error: None,
    sentence: "the access token cannot be checked right now; try again",
    challenge: None,
    retry_after: Some("30"),
};

/// When the next attempt is due soon, or nobody knows when.
pub(crate) const UNAVAILABLE_NOW: Refusal = Refusal { retry_after: Some("1"), ..UNAVAILABLE };

pub(crate) const OUR_FAULT: Refusal = Refusal {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    error: None,
    sentence: "something went wrong here",
    challenge: None,
    retry_after: None,
};

impl Refusal {
    /// Compares an answer with this, whole; `case` says which one it is.
    pub(crate) fn assert_is(&self, answer: &Answer, case: &str) {
        assert_eq!(answer.status, self.status, "{case}: {}", answer.text());
        let challenge =
            self.challenge.map(|[before, after]| format!(r#"{before}resource_metadata="{METADATA}"{after}"#));
        assert_eq!(answer.header("www-authenticate"), challenge.unwrap_or_default(), "{case}");
        assert_eq!(answer.header("retry-after"), self.retry_after.unwrap_or_default(), "{case}");
        assert_eq!(answer.header("content-type"), "application/json", "{case}");
        assert_eq!(answer.header("cache-control"), "no-store", "{case}");

        let mut body = answer.json();
        let id = body.as_object_mut().unwrap().remove("correlation_id");
        assert_eq!(id.is_some(), self.status.is_server_error(), "{case}");
        let mut expected = json!({"error_description": self.sentence});
        if let Some(error) = self.error {
            expected["error"] = error.into();
        }
        assert_eq!(body, expected, "{case}");
    }
}
