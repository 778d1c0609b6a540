//! Faults on demand, in Rust and by curl, and the counters that tell what a relying party did about them.

use super::World;
use bytes::Bytes;
use countersign_fixtures::{clock::Clock, fault::Fault, http::Server, idp::Idp};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

const JWKS: &str = "/jwks";

#[tokio::test]
async fn each_fault_strikes_as_often_as_ordered() {
    let world = World::new().await;
    let jwks = world.idp.jwks_uri();
    let faults = world.idp.faults();

    faults.add(JWKS, Fault::Status(500), Some(2));
    for _ in 0..2 {
        assert_eq!(world.http.fetch(&jwks).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(world.http.fetch(&jwks).await.status, StatusCode::OK);

    faults.add(JWKS, Fault::Malformed, Some(1));
    let answer = world.http.fetch(&jwks).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());

    faults.add(JWKS, Fault::Oversized(300_000), Some(1));
    let answer = world.http.fetch(&jwks).await;
    assert_eq!(answer.body.len(), 300_000);
    assert!(answer.json().is_object());

    faults.add(JWKS, Fault::Redirect("http://127.0.0.1:1/keys".into()), Some(1));
    let answer = world.http.fetch(&jwks).await;
    assert!(answer.status.is_redirection());
    assert_eq!(answer.header("location"), "http://127.0.0.1:1/keys");

    faults.add(JWKS, Fault::Slow(150), Some(1));
    let before = Instant::now();
    assert!(world.http.fetch(&jwks).await.json()["keys"].is_array());
    assert!(before.elapsed() >= Duration::from_millis(150));

    faults.add(JWKS, Fault::Reset, Some(1));
    let request = Request::get(&jwks).body(Full::new(Bytes::new())).unwrap();
    assert!(world.http.send(request).await.is_err());

    assert_eq!(world.http.fetch(&jwks).await.status, StatusCode::OK);
}

#[tokio::test]
async fn curl_orders_faults_and_takes_them_back() {
    let world = World::new().await;
    let faults = world.idp.url("/_faults");
    let configuration = world.idp.url("/.well-known/openid-configuration");
    let order = json!({"path": "/.well-known/openid-configuration", "fault": {"status": 503}});
    assert_eq!(world.http.post_json(&faults, &order).await.status, StatusCode::NO_CONTENT);
    for _ in 0..3 {
        assert_eq!(world.http.fetch(&configuration).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(world.http.fetch(&world.idp.jwks_uri()).await.status, StatusCode::OK);

    let request = Request::delete(&faults).body(Full::new(Bytes::new())).unwrap();
    assert_eq!(world.http.send(request).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(world.http.fetch(&configuration).await.status, StatusCode::OK);
    assert_eq!(world.idp.hits("/.well-known/openid-configuration"), 4);
    assert_eq!(world.idp.hits(JWKS), 1);
    assert_eq!(world.idp.hits("/token"), 0);
}

#[tokio::test]
async fn both_metadata_documents_describe_where_things_are() {
    let bound = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
    let url = bound.url();
    let idp = Idp::serve(bound, Clock::default());
    assert_eq!(idp.issuer(), url);
    let http = countersign_tests::client::Plain::default();
    let openid = http.fetch(&idp.url("/.well-known/openid-configuration")).await.json();
    let oauth = http.fetch(&idp.url("/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(openid, oauth);
    assert_eq!(openid["issuer"], url);
    assert_eq!(openid["jwks_uri"], idp.jwks_uri());
    assert_eq!(openid["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(openid["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA"]));
    for (name, address) in openid.as_object().unwrap() {
        if name.ends_with("_endpoint") {
            let path = address.as_str().unwrap().strip_prefix(&url).unwrap();
            assert_ne!(http.fetch(&idp.url(path)).await.status, StatusCode::NOT_FOUND, "{name}");
        }
    }
}
