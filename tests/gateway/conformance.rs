//! The official conformance suite through the gateway, without and with the AWS stack in between: what a server passes
//! directly, it passes here. The suite `conformance` of `tests/run` prepares it.

mod sign_in;

use crate::{
    gateway::{self, Gateway, mcp_at},
    suite::{Report, objections, required, run},
};
use axum::{Router, body::Body, extract::Request};
use countersign_fixtures::{
    http::Server,
    mcp::{PATH, everything::Everything},
    oracle::Oracle,
    world::SERVICE,
};
use http::{HeaderValue, Uri, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

#[tokio::test]
async fn nothing_of_2025_11_25_is_lost() {
    Box::pin(nothing_is_lost("2025-11-25", 30)).await;
}

#[tokio::test]
async fn nothing_of_2026_07_28_is_lost() {
    Box::pin(nothing_is_lost("2026-07-28", 37)).await;
}

async fn nothing_is_lost(revision: &str, scenarios: usize) {
    let direct = Server::start(Everything::default().router()).await;
    let direct = run(&format!("{}{PATH}", direct.url()), revision).await;
    let required = required(revision);
    assert_eq!(required.len(), scenarios, "{required:?}");
    for through in [unsigned(revision).await, signed(revision).await] {
        for scenario in &required {
            let objections = objections(through.get(scenario));
            assert!(objections.is_empty(), "{revision} {scenario}: {objections:#?}");
        }
        for (scenario, checks) in &direct {
            let told = |report: &Report| {
                let checks = report.get(scenario).into_iter().flatten();
                checks.map(|check| (check.id.clone(), check.status)).collect::<Vec<_>>()
            };
            if objections(Some(checks)).is_empty() {
                assert_eq!(told(&through), told(&direct), "{revision} {scenario}");
            }
        }
    }
}

/// Through the gateway, which has nothing to sign.
async fn unsigned(revision: &str) -> Report {
    let server = Server::start(Everything::default().router()).await;
    let gateway = Gateway::with(|text| {
        let (start, _) = text.split_once("backends:").unwrap();
        format!("{start}backends:\n{}", gateway::unsigned(&[("only", mcp_at(&server))]))
    })
    .await;
    let in_between = with_a_token(&gateway).await;
    run(&format!("{}/mcp", in_between.url()), revision).await
}

/// The same with the AWS stack in between.
async fn signed(revision: &str) -> Report {
    let gateway = Gateway::over(
        |world| {
            let (service, region) = SERVICE;
            Oracle::new(world.sts.book().clone(), service, region)
        },
        Everything::default().router(),
    )
    .await;
    let in_between = with_a_token(&gateway).await;
    let report = run(&format!("{}/mcp", in_between.url()), revision).await;
    let seen = gateway.backend.as_ref().unwrap().oracle().seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.principal().is_some()), "every call was signed");
    report
}

/// The suite has no token to send, so somebody in between adds one. Everything else passes as it is.
async fn with_a_token(gateway: &Gateway) -> Server {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let endpoint: Uri = gateway.endpoint.parse().unwrap();
    let token = HeaderValue::try_from(format!("Bearer {}", gateway.token("alice"))).unwrap();
    Server::start(Router::new().fallback(async move |mut request: Request| {
        *request.uri_mut() = endpoint.clone();
        request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        client.request(request).await.unwrap().map(Body::new)
    }))
    .await
}
