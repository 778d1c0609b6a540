use super::gate::Gate;
use crate::mcp::{MAX_BODY, Relay};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Response, Uri},
    middleware,
    routing::{get, post},
};
use countersign::{Error, ServiceBuilderExt, identity::Verifier, proof::Authenticated, respond::OAuth};
use serde_json::json;
use std::sync::Arc;
use tower::ServiceBuilder;

/// Where MCP is spoken, below the public address.
pub(crate) const ENDPOINT: &str = "/mcp";

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Everything that can be asked of the gateway at `public_url`, whose callers `issuers` vouch for.
pub(crate) fn router(public_url: &Uri, issuers: &[String], verifier: Verifier, relay: Relay) -> Router {
    let base = public_url.to_string();
    let base = base.trim_end_matches('/');
    let metadata = format!("{base}{METADATA}{ENDPOINT}");
    let described = json!({
        "resource": format!("{base}{ENDPOINT}"),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    let describe = get(async move || Json(described));
    Router::new()
        .route(ENDPOINT, post(message).get(session).delete(session))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(
            ServiceBuilder::new()
                .respond_with(OAuth::new().with_resource_metadata(metadata))
                .verify_identity_for_router(verifier),
        )
        .with_state(Arc::new(relay))
        // Outside of the layers: whoever reads these has no token yet. Some clients look at one place, some at the other.
        .route(METADATA, describe.clone())
        .route(&format!("{METADATA}{ENDPOINT}"), describe)
        .layer(middleware::from_fn_with_state(Gate::at(public_url.clone()), Gate::pass))
}

async fn message(
    State(relay): State<Arc<Relay>>,
    caller: Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<axum::body::Body>, Error> {
    relay.post(caller, &headers, body).await
}

async fn session(
    State(relay): State<Arc<Relay>>,
    caller: Authenticated,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<axum::body::Body>, Error> {
    relay.session(method, caller, &headers).await
}
