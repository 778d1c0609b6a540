//! What clients call themselves, without a person: over HTTP.

use super::{
    authorize::Offer,
    client::{Client, Proof, Wish},
    error::{Code, Problem, Refusal},
    metadata::{self, DESCRIPTION, INTROSPECT, JWKS, REGISTER, REVOKE, TOKEN},
    sender::Sender,
    token::TokenEndpoint,
};
use crate::config::resolved::ENDPOINT;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Requests of clients are short.
const MAX_BODY: usize = 64 * 1024;

/// For how long others may keep the keys and the description.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");

#[derive(Clone)]
struct Shared {
    endpoint: Arc<TokenEndpoint>,
    offer: Arc<Offer>,
    /// Whether clients may register themselves.
    open: bool,
}

/// The endpoints that are the same for every client.
pub(super) fn router(endpoint: TokenEndpoint, offer: Arc<Offer>, open: bool) -> Router {
    let shared = Shared { endpoint: Arc::new(endpoint), offer, open };
    let router = Router::new()
        .route(DESCRIPTION, get(description))
        // Where clients look that know the gateway's address only.
        .route(&format!("{DESCRIPTION}{ENDPOINT}"), get(description))
        .route("/.well-known/openid-configuration", get(description))
        .route(JWKS, get(keys))
        .route(TOKEN, post(token))
        .route(REVOKE, post(revoke))
        .route(INTROSPECT, post(introspect));
    let router = if open { router.route(REGISTER, post(register)) } else { router };
    router.layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

async fn description(State(shared): State<Shared>) -> Response {
    let document = metadata::document(&shared.offer, &shared.endpoint.clients, shared.open);
    ([(header::CACHE_CONTROL, KEPT)], Json(document)).into_response()
}

async fn keys(State(shared): State<Shared>) -> Response {
    ([(header::CACHE_CONTROL, KEPT)], Json(shared.endpoint.access.jwks())).into_response()
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = match form(&headers) {
        Ok(authorization) => shared.endpoint.answer(authorization, &body).await,
        Err(refusal) => Err(refusal.into()),
    };
    answer(answered.map(|answer| (StatusCode::OK, answer)))
}

async fn revoke(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let revoked = match form(&headers) {
        Ok(authorization) => shared.endpoint.revoke(authorization, &body).await,
        Err(refusal) => Err(refusal.into()),
    };
    answer(revoked.map(|()| (StatusCode::OK, json!({}))))
}

async fn introspect(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let told = match form(&headers) {
        Ok(authorization) => shared.endpoint.introspect(authorization, &body).await,
        Err(refusal) => Err(refusal.into()),
    };
    answer(told.map(|told| (StatusCode::OK, told)))
}

async fn register(State(shared): State<Shared>, sender: Option<Extension<Sender>>, body: Bytes) -> Response {
    let sender = sender.map_or_else(String::new, |Extension(sender)| sender.counted());
    let registered = match Wish::parse(&body) {
        Ok(wish) => shared.endpoint.clients.register(wish, &sender).await,
        Err(refusal) => Err(refusal.into()),
    };
    answer(registered.map(|(client, secret)| (StatusCode::CREATED, registration(&client, secret))))
}

/// What a client has to know of itself from now on.
fn registration(client: &Client, secret: Option<String>) -> Value {
    let redirects: Vec<&str> = client.redirects.iter().map(|redirect| redirect.as_str()).collect();
    let mut document = json!({
        "client_id": client.id,
        "redirect_uris": redirects,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": match client.proof {
            Proof::None => "none",
            Proof::Secret(_) => "client_secret_basic",
            Proof::Key(_) => "private_key_jwt",
        },
    });
    if let Some(members) = document.as_object_mut() {
        members.extend(client.name.as_ref().map(|name| ("client_name".to_owned(), name.as_str().into())));
        if let Some(secret) = secret {
            members.insert("client_secret".to_owned(), secret.into());
            members.insert("client_secret_expires_at".to_owned(), 0.into());
        }
    }
    document
}

/// The `Authorization` of a request that carries a form.
fn form(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let wrong = |what| Refusal::new(Code::InvalidRequest, what);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(wrong("`content-type` has to be application/x-www-form-urlencoded"));
    }
    let mut told = headers.get_all(header::AUTHORIZATION).iter();
    match (told.next(), told.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| wrong("`authorization` is no text")),
        (Some(_), Some(_)) => Err(wrong("`authorization` is there twice")),
    }
}

fn answer(answered: Result<(StatusCode, Value), Problem>) -> Response {
    let (status, body) = match answered {
        Ok(answered) => answered,
        Err(Problem::Refused(refusal)) => (refusal.status(), refusal.body()),
        Err(Problem::Fault(fault)) => {
            tracing::error!(error = %fault, source = ?std::error::Error::source(&fault), "the authorization server failed");
            let body = json!({"error": "server_error", "error_description": "try again later"});
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
    };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\""));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3600"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, VERIFIER, issued, offer, token_endpoint, verified};
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    struct Served {
        app: Router,
        endpoint: TokenEndpoint,
    }

    impl Served {
        async fn new(scene: &Scene) -> Self {
            let endpoint = token_endpoint(scene).await;
            Self { app: router(endpoint.clone(), Arc::new(offer()), true), endpoint }
        }

        async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
            let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
        }

        async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Value) {
            self.send(Request::get(path).body(Body::empty()).unwrap()).await
        }

        async fn post(&self, path: &str, kind: &str, body: String) -> (StatusCode, HeaderMap, Value) {
            self.send(Request::post(path).header("content-type", kind).body(body.into()).unwrap()).await
        }
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn a_client_finds_registers_and_gets_tokens() {
        let scene = Scene::new();
        let served = Served::new(&scene).await;
        let (status, headers, described) = served.get("/.well-known/oauth-authorization-server").await;
        assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &KEPT));
        assert_eq!(described["token_endpoint"], "https://mcp.example.com/oauth/token");

        let wish =
            json!({"client_name": "An inspector", "redirect_uris": ["http://localhost:6274/callback"]});
        let (status, headers, client) = served.post(REGISTER, "application/json", wish.to_string()).await;
        assert_eq!(
            (status, &headers["cache-control"]),
            (StatusCode::CREATED, &HeaderValue::from_static("no-store"))
        );
        assert_eq!(
            (&client["client_name"], &client["token_endpoint_auth_method"]),
            (&json!("An inspector"), &json!("none"))
        );
        assert_eq!(client.get("client_secret"), None);

        let mut issued = issued();
        issued.grant.client = client["client_id"].as_str().unwrap().to_owned();
        let code = served.endpoint.codes.issue(issued).await.unwrap();
        let body = format!(
            "grant_type=authorization_code&client_id={}&code={code}&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fclient.example%2Fcallback",
            client["client_id"].as_str().unwrap()
        );
        let (status, headers, tokens) = served.post(TOKEN, FORM, body).await;
        assert_eq!(
            (status, &headers["cache-control"]),
            (StatusCode::OK, &HeaderValue::from_static("no-store"))
        );
        let (_, _, jwks) = served.get(JWKS).await;
        let claims = verified(tokens["access_token"].as_str().unwrap(), &jwks).unwrap();
        assert_eq!(claims["client_id"], client["client_id"]);
        assert!(!jwks.to_string().contains("\"d\":"));

        let body = format!(
            "client_id={}&token={}",
            claims["client_id"].as_str().unwrap(),
            tokens["refresh_token"].as_str().unwrap()
        );
        assert_eq!(served.post(REVOKE, FORM, body).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_confidential_client_is_told_its_secret_once() {
        let scene = Scene::new();
        let served = Served::new(&scene).await;
        let wish = json!({
            "redirect_uris": ["https://client.example/callback"],
            "token_endpoint_auth_method": "client_secret_basic",
        });
        let (status, _, client) = served.post(REGISTER, "application/json", wish.to_string()).await;
        assert_eq!((status, &client["client_secret_expires_at"]), (StatusCode::CREATED, &json!(0)));
        assert_eq!(client["client_secret"].as_str().unwrap().len(), 43);
    }

    #[tokio::test]
    async fn every_no_has_its_status_and_its_reason() {
        let scene = Scene::new();
        let served = Served::new(&scene).await;
        for (path, kind, body, status, error) in [
            (TOKEN, "application/json", "{}", 400, "invalid_request"),
            (TOKEN, FORM, "grant_type=refresh_token&client_id=nobody&refresh_token=x", 401, "invalid_client"),
            (TOKEN, FORM, "grant_type=refresh_token&client_id=client&refresh_token=x", 400, "invalid_grant"),
            (REVOKE, FORM, "client_id=client", 400, "invalid_request"),
            (TOKEN, FORM, "grant_type=client_credentials&client_id=client", 400, "unauthorized_client"),
            (TOKEN, FORM, "grant_type=password&client_id=client", 400, "unsupported_grant_type"),
            (INTROSPECT, FORM, "client_id=client&token=x", 401, "invalid_client"),
            (INTROSPECT, "application/json", "{}", 400, "invalid_request"),
            (REGISTER, "application/json", "{}", 400, "invalid_redirect_uri"),
            (REGISTER, "application/json", "[", 400, "invalid_client_metadata"),
        ] {
            let (told, headers, answer) = served.post(path, kind, body.to_owned()).await;
            assert_eq!((told.as_u16(), &answer["error"]), (status, &json!(error)), "{path} {body}");
            assert!(answer["error_description"].as_str().is_some_and(|what| !what.is_empty()));
            assert_eq!(headers.contains_key("www-authenticate"), status == 401);
        }
        let large = format!("grant_type={}", "x".repeat(MAX_BODY));
        assert_eq!(served.post(TOKEN, FORM, large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_flood_of_registrations_is_told_to_wait() {
        let scene = Scene::new();
        let served = Served::new(&scene).await;
        let wish = json!({"redirect_uris": ["https://client.example/callback"]}).to_string();
        for _ in 0..100 {
            assert_eq!(served.post(REGISTER, "application/json", wish.clone()).await.0, StatusCode::CREATED);
        }
        let (status, headers, answer) = served.post(REGISTER, "application/json", wish).await;
        assert_eq!((status.as_u16(), &answer["error"]), (429, &json!("slow_down")));
        assert_eq!(headers["retry-after"], "3600");
    }
}
