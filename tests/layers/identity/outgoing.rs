//! From a caller's request to a call in the caller's name, in the typed form: what goes along, and what never.

use crate::{
    service::{EXPIRED, NO_TOKEN, Service, UNACCEPTABLE, oauth},
    world::World,
};
use axum::{Json, Router, body::Body, http::HeaderMap};
use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    proof::{Authenticated, Carry, ForwardHeaders, Identity, Operation, Outbound, Proves, Tool},
};
use countersign_fixtures::{clock::Clock, http::Server};
use countersign_tests::client::Plain;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tower::{ServiceBuilder, service_fn};

/// What a caller may say to a backend.
const PASSES: [(&str, &str); 9] = [
    ("accept", "application/json"),
    ("accept-language", "tlh"),
    ("content-type", "text/x-query"),
    ("if-none-match", "\"7\""),
    ("last-event-id", "12"),
    ("mcp-protocol-version", "2025-11-25"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("user-agent", "a caller"),
    ("idempotency-key", "once"),
];

/// What is the caller's own, would forge a signature, or belongs to one connection.
const STAYS: [(&str, &str); 21] = [
    ("cookie", "session=secret"),
    ("proxy-authorization", "Basic YWxpY2U6b3Blbi1zZXNhbWU"),
    ("x-api-key", "secret"),
    ("x-amz-date", "20300101T000000Z"),
    ("x-amz-security-token", "secret"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-target", "DynamoDB_20120810.DeleteTable"),
    ("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678"),
    ("forwarded", "for=10.0.0.1"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-host", "internal.example"),
    ("x-real-ip", "10.0.0.1"),
    ("te", "trailers"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("origin", "https://evil.example"),
    ("referer", "https://evil.example/page"),
    ("expect-ct", "enforce"),
    ("x-anything-else", "whatever"),
    ("mcp-session-id", "s-1"),
    ("cache-control", "for-this-hop"),
];

#[tokio::test]
async fn only_what_is_on_the_list_goes_along() {
    let world = World::new().await;
    let service = gateway(&world, &ForwardHeaders::default()).await;
    let seen = headers_seen(&service, &world).await;
    assert_eq!(seen, expected(&PASSES));
}

#[tokio::test]
async fn a_longer_list_is_still_a_list() {
    let world = World::new().await;
    let mut longer = ForwardHeaders::default();
    for (name, _) in STAYS {
        longer = longer.and(HeaderName::from_static(name));
    }
    longer = longer.and(header::AUTHORIZATION).and(header::CONNECTION);
    let service = gateway(&world, &longer).await;
    let seen = headers_seen(&service, &world).await;
    let added = ["x-api-key", "origin", "referer", "expect-ct", "x-anything-else", "mcp-session-id"];
    let mut all = expected(&PASSES);
    all.extend(expected(&STAYS).into_iter().filter(|(name, _)| added.contains(&name.as_str())));
    assert_eq!(seen, all);
}

#[tokio::test]
async fn the_proof_travels_in_the_type() {
    let world = World::new().await;
    let service = gateway(&world, &ForwardHeaders::default()).await;
    let answer = service.send(post(&service, "/query", &world.alice().token())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("x-called-as"), "alice");
    assert_eq!(answer.header("x-called-about"), "warehouse/query");
    assert_eq!(answer.json()["body"], "select 1", "the body arrives whole");

    let request = Request::post(service.url()).body(Full::default()).unwrap();
    NO_TOKEN.assert_is(&service.send(request).await, "nobody");
    let token = world.alice().audience("https://b.example").token();
    UNACCEPTABLE.assert_is(&service.send(post(&service, "/", &token)).await, "a bad token");
}

#[tokio::test]
async fn an_identity_that_ended_meanwhile_calls_nobody() {
    let world = World::new().await;
    let service = gateway(&world, &ForwardHeaders::default()).await;
    let token = world.alice().token();
    let answer = service.send(post(&service, "/slowly", &token)).await;
    EXPIRED.assert_is(&answer, "expired between verification and call");
}

/// `VerifyIdentity` in its typed form around a handler that calls a backend, which says what it sees.
async fn gateway(world: &World, forward: &ForwardHeaders) -> Service {
    let backend = Server::start(Router::new().fallback(backend)).await;
    let gateway = Gateway {
        url: backend.url(),
        http: Plain::default(),
        clock: world.clock.clone(),
        forward: forward.clone(),
        _backend: backend.into(),
    };
    let stack = ServiceBuilder::new()
        .respond_with(oauth())
        .verify_identity(world.verifier(world.issuer()))
        .service(service_fn(move |request| gateway.clone().relay(request)));
    Service::start(Router::new().fallback_service(stack)).await
}

#[derive(Clone)]
struct Gateway {
    url: String,
    http: Plain,
    clock: Clock,
    forward: ForwardHeaders,
    _backend: Arc<Server>,
}

impl Gateway {
    async fn relay(self, request: Request<Carry<Authenticated, Body>>) -> Result<Response<Body>, BoxError> {
        if request.uri().path() == "/slowly" {
            self.clock.advance(Duration::from_secs(2 * 3600));
        }
        let (parts, carry) = request.into_parts();
        let (proof, body) = carry.into_parts();
        let mut incoming = Request::from_parts(parts, body.collect().await?.to_bytes());
        *incoming.uri_mut() = format!("{}/", self.url).parse()?;
        let about = Operation::on("warehouse").calling(Tool::named("query"));
        let outgoing = proof.about(about).attach_forwarding(incoming, &self.forward)?;
        assert!(outgoing.extensions().is_empty(), "nothing else comes along");
        self.transmit(outgoing).await
    }

    /// Stands at the end of an outbound stack: asks for the fact it needs.
    async fn transmit<P>(&self, request: Request<Carry<P, Bytes>>) -> Result<Response<Body>, BoxError>
    where
        P: Proves<Identity> + Outbound,
    {
        let proof = request.body().proof();
        let caller = proof.fact().subject().to_owned();
        let about = proof.operation().map_or_else(String::new, |operation| {
            format!("{}/{}", operation.backend(), operation.tool().name())
        });
        let answer = self.http.send(request.map(|carry| Full::new(carry.into_parts().1))).await?;
        Ok(Response::builder()
            .status(answer.status)
            .header("x-called-as", caller)
            .header("x-called-about", about)
            .body(answer.body.into())?)
    }
}

async fn backend(headers: HeaderMap, body: String) -> Result<Json<Value>, Infallible> {
    let headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Ok(Json(json!({"headers": headers, "body": body})))
}

/// What a backend sees of a request with everything in it; less what the client sets for its own connection.
async fn headers_seen(service: &Service, world: &World) -> BTreeMap<String, String> {
    let mut request = post(service, "/", &world.alice().token());
    for (name, value) in PASSES.into_iter().chain(STAYS) {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let named = HeaderValue::from_bytes(b"keep-alive, \xe9, cache-control").unwrap();
    request.headers_mut().insert(header::CONNECTION, named);
    let answer = service.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let mut seen: BTreeMap<String, String> =
        serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    assert!(seen.remove("host").is_some_and(|host| !service.url().ends_with(&host)));
    assert_eq!(seen.remove("content-length").as_deref(), Some("8"));
    seen
}

fn post(service: &Service, path: &str, token: &str) -> Request<Full<Bytes>> {
    Request::post(format!("{}{path}", service.url()))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body("select 1".into())
        .unwrap()
}

fn expected(headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
