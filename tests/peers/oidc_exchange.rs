//! The npm package oidc-provider exchanges tokens (RFC 8693), and what it issues is judged by a service of its own.
#![allow(clippy::unwrap_used, reason = "what a suite prepares is right, or the suite has failed")]

use crate::oidc_provider::{OPAQUE, OURS, service};
use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use countersign::{
    BoxError, Error, ServiceBuilderExt,
    exchange::{CallersToken, Exchange, ExchangeBuilder},
    identity::{Introspection, Issuer, Verifier},
    proof::{Attached, Authenticated, Carry},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
    transmit::Transmit,
};
use countersign_fixtures::http::Server;
use countersign_tests::{
    client::{Answer, Plain},
    oidc_provider::{Provider, text},
};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

const BACKEND: &str = "https://backend.example";

type Stack = BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, http::Response<Incoming>, BoxError>;

#[tokio::test]
async fn a_token_for_us_becomes_one_for_the_backend() {
    let provider = Provider::start().await;
    let backend = service(Issuer::new(&provider.issuer, BACKEND).with_token_type("at+jwt")).await;
    let gateway = gateway(&provider, &backend, "gateway", |exchange| exchange.with_resource(BACKEND)).await;

    let jwt = provider.sign_in("alice", OURS).await;
    let opaque = provider.sign_in("bob", OPAQUE).await;
    for (tokens, resource, name) in [(&jwt, OURS, "alice"), (&opaque, OPAQUE, "bob")] {
        let token = text(tokens, "access_token");
        let direct = Plain::default().fetch_as(&backend.url(), token).await;
        assert_eq!(direct.status, StatusCode::UNAUTHORIZED, "a token for {resource} is none for the backend");
        let answer = ask(&gateway, token).await;
        assert_eq!(answer.status, StatusCode::OK, "{resource}: {}", answer.text());
        assert_eq!(answer.json()["subject"], name);
        assert_eq!(answer.json()["scopes"], serde_json::json!(["read"]));
    }
}

#[tokio::test]
async fn its_refusals_are_told_apart() {
    let provider = Provider::start().await;
    let backend = service(Issuer::new(&provider.issuer, BACKEND)).await;
    let tokens = provider.sign_in("alice", OURS).await;
    for (case, client, resource, status) in [
        ("a resource that it does not know", "gateway", "https://unknown.example", StatusCode::FORBIDDEN),
        // It says `invalid_request` to that, where others say `unauthorized_client`.
        ("a client that may not exchange", "bystander", BACKEND, StatusCode::FORBIDDEN),
        ("a client that it does not know", "stranger", BACKEND, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let gateway = gateway(&provider, &backend, client, |exchange| exchange.with_resource(resource)).await;
        let answer = ask(&gateway, text(&tokens, "access_token")).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.text());
    }
}

async fn ask(gateway: &Server, token: &str) -> Answer {
    Plain::default().fetch_as(&gateway.url(), token).await
}

/// A service for which `provider` vouches, and which calls `backend` in its callers' names.
async fn gateway(
    provider: &Provider,
    backend: &Server,
    client: &str,
    asking: impl FnOnce(ExchangeBuilder<CallersToken>) -> ExchangeBuilder<CallersToken>,
) -> Server {
    let client = match client {
        "bystander" => ClientAuthentication::post(client, "hush".into()),
        _ => ClientAuthentication::basic(client, "hush".into()),
    };
    let endpoint = TokenEndpoint::new(provider.endpoint("token_endpoint"), client);
    let exchange = asking(Exchange::builder(endpoint, CallersToken::new())).with_scopes(["read"]).build();
    let stack = ServiceBuilder::new()
        .exchange_token(exchange.unwrap())
        .attach_exchanged_token()
        .service(Transmit::new(Client::builder(TokioExecutor::new()).build_http()));
    let way = (Stack::new(stack), format!("{}/", backend.url()).parse::<Uri>().unwrap());

    let introspection =
        Introspection::new(provider.endpoint("introspection_endpoint"), "gateway", "hush".into());
    let issuer = Issuer::new(&provider.issuer, OURS).with_audience(OPAQUE).with_introspection(introspection);
    let verifier = Verifier::builder().trust(issuer).build().unwrap();
    let routes = Router::new().route("/", get(relay).with_state(way));
    Server::start(routes.layer(ServiceBuilder::new().respond().verify_identity_for_router(verifier))).await
}

async fn relay(
    State((stack, backend)): State<(Stack, Uri)>,
    caller: Authenticated,
) -> Result<Response<Body>, Response<Body>> {
    let request = Request::get(backend).body(Full::default()).unwrap();
    let request = caller.attach(request).map_err(IntoResponse::into_response)?;
    match stack.oneshot(request).await {
        Ok(response) => Ok(response.map(Body::new)),
        Err(error) => Err(match error.downcast::<Error>() {
            Ok(error) => error.into_response(),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }),
    }
}
