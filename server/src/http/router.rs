use super::{gate::Gate, revoked::turn_away, whole::read_short};
use crate::{
    config::resolved::{ENDPOINT, own_address},
    issuer::AuthorizationServer,
    mcp::{MAX_BODY, Relay},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, Method, Response, Uri, header},
    middleware,
    routing::{get, post},
};
use countersign::{Error, ServiceBuilderExt, identity::Verifier, proof::Authenticated, respond::OAuth};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tower::ServiceBuilder;
use tower_http::cors::{Any, CorsLayer};

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Everything that can be asked of the gateway at `public_url`, whose callers `issuers` vouch for.
pub(crate) fn router(
    public_url: &Uri,
    issuers: &[String],
    verifier: Verifier,
    relay: Arc<Relay>,
    signs_in: Option<&AuthorizationServer>,
) -> Router {
    let base = own_address(public_url);
    let metadata = format!("{base}{METADATA}{ENDPOINT}");
    let described = json!({
        "resource": format!("{base}{ENDPOINT}"),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    let describe = get(async move || Json(described));
    let gate = Gate::at(public_url.clone());
    let mcp = Router::new().route(ENDPOINT, post(message).get(session).delete(session));
    let mcp = match signs_in.map(AuthorizationServer::revocations) {
        Some(revocations) => mcp.layer(middleware::from_fn_with_state(revocations, turn_away)),
        None => mcp,
    };
    let mcp = mcp
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(
            ServiceBuilder::new()
                .layer(gate.sharing())
                .respond_with(OAuth::new().with_resource_metadata(metadata))
                .verify_identity_for_router(verifier),
        )
        .with_state(relay);
    let pages = signs_in.map(AuthorizationServer::pages).unwrap_or_default();
    // Whoever reads these has no token yet, and some are pages of anywhere. Some clients look at one place for the
    // metadata, some at the other.
    let open = Router::new()
        .route(METADATA, describe.clone())
        .route(&format!("{METADATA}{ENDPOINT}"), describe)
        .merge(signs_in.map(AuthorizationServer::endpoints).unwrap_or_default())
        .layer(sharing_with_all());
    let guarded = mcp.merge(pages).layer(middleware::from_fn_with_state(gate.clone(), Gate::pass));
    let all = guarded.merge(open.layer(middleware::from_fn_with_state(gate, Gate::pass_from_anywhere)));
    all.layer(middleware::from_fn(read_short))
}

/// What pages of any origin may read and send: it takes no cookie, and whoever sends something has to say who they are.
fn sharing_with_all() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("mcp-protocol-version"),
        ])
        .max_age(Duration::from_secs(3600))
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
