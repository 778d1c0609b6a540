use super::{
    anonymous::{nobody, refuse_credentials},
    gate::Gate,
    revoked::turn_away,
    sender::Proxies,
    whole::read_short,
};
use crate::{
    config::{
        networks::Network,
        resolved::{ENDPOINT, own_address},
    },
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
use countersign::{
    Error, ServiceBuilderExt,
    identity::{TrustIdentityLayer, Verifier},
    proof::Authenticated,
    respond::OAuth,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tower::ServiceBuilder;
use tower_http::cors::{Any, CorsLayer};

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Who is let in.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// Whoever brings a token that `verifier` believes, which are those of `issuers`.
    Verified {
        issuers: Vec<String>,
        verifier: Verifier,
    },
    Anybody,
}

/// Everything that can be asked of the gateway at `public_url`, before which `proxies` stand.
pub(crate) fn router(
    public_url: &Uri,
    admitted: Admitted,
    proxies: Vec<Network>,
    relay: Arc<Relay>,
    signs_in: Option<&AuthorizationServer>,
) -> Router {
    let base = own_address(public_url);
    let gate = Gate::at(public_url.clone());
    let mcp = Router::new().route(ENDPOINT, post(message).get(session).delete(session));
    let mcp = match signs_in.map(AuthorizationServer::revocations) {
        Some(revocations) => mcp.layer(middleware::from_fn_with_state(revocations, turn_away)),
        None => mcp,
    };
    let mcp = mcp.layer(DefaultBodyLimit::max(MAX_BODY));
    let (mcp, leading_to_issuers) = match admitted {
        Admitted::Verified { issuers, verifier } => {
            let challenge = OAuth::new().with_resource_metadata(format!("{base}{METADATA}{ENDPOINT}"));
            let verifying = ServiceBuilder::new()
                .layer(gate.sharing())
                .respond_with(challenge)
                .verify_identity_for_router(verifier);
            (mcp.layer(verifying), resource_metadata(&base, &issuers))
        }
        Admitted::Anybody => {
            let trusting = ServiceBuilder::new()
                .layer(gate.sharing())
                .layer(middleware::from_fn(refuse_credentials))
                .respond_with(OAuth::new())
                .layer(TrustIdentityLayer::new(nobody).for_router());
            (mcp.layer(trusting), Router::new())
        }
    };
    let mcp = mcp.with_state(relay);
    let pages = signs_in.map(AuthorizationServer::pages).unwrap_or_default();
    // Whoever reads these has no token yet, and some are pages of anywhere.
    let open = leading_to_issuers
        .merge(signs_in.map(AuthorizationServer::endpoints).unwrap_or_default())
        .layer(sharing_with_all());
    let guarded = mcp.merge(pages).layer(middleware::from_fn_with_state(gate.clone(), Gate::pass));
    let all = guarded.merge(open.layer(middleware::from_fn_with_state(gate, Gate::pass_from_anywhere)));
    all.layer(middleware::from_fn(read_short))
        .layer(middleware::from_fn_with_state(Proxies::new(proxies), Proxies::tell))
}

/// What leads clients to where they get tokens. Some look at one place for it, some at the other.
fn resource_metadata(base: &str, issuers: &[String]) -> Router {
    let described = json!({
        "resource": format!("{base}{ENDPOINT}"),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    let describe = get(async move || Json(described));
    Router::new().route(METADATA, describe.clone()).route(&format!("{METADATA}{ENDPOINT}"), describe)
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
