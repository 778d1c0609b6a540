//! The SigV4 oracle and what a signer that nobody here wrote makes of it.
#![allow(clippy::unwrap_used, reason = "what a suite prepares is right, or the suite has failed")]

mod canonical;
mod refusals;
mod world;

use self::world::{ADMIN, READER, REGION, Signer, World};
use bytes::Bytes;
use countersign_fixtures::{clock::Clock, credentials::Book, oracle::Verdict};
use http::{Method, Request, StatusCode};
use std::time::Duration;

#[tokio::test]
async fn a_signed_request_arrives_with_its_signer() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let answer = world.send(world.signed(&alice, "/tools?b=2&a=1", "hello")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["arn"], "arn:aws:sts::123456789012:assumed-role/McpAdmin/alice");
    assert_eq!(
        answer.json()["body_sha256"],
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert!(answer.headers.contains_key("x-amzn-requestid"));

    let seen = world.server.oracle().seen();
    let [request] = seen.as_slice() else {
        panic!("one request was sent, {} were seen", seen.len());
    };
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.uri, "/tools?b=2&a=1");
    assert_eq!(request.body, "hello");
    assert_eq!(request.header("x-amz-security-token"), alice.session_token.as_deref());
    assert_eq!(request.verdict, Verdict::Admitted(alice.principal));
}

#[tokio::test]
async fn whatever_was_signed_cannot_be_changed() {
    type Change = fn(&mut Request<Bytes>);
    let changes: [(&str, Change); 8] = [
        ("one byte of the body", |request| {
            *request.body_mut() = Bytes::from_static(b"hellp");
        }),
        ("a longer body", |request| {
            *request.body_mut() = Bytes::from_static(b"hello ");
        }),
        ("a signed header", |request| {
            let value = "text/html".parse().unwrap();
            request.headers_mut().insert("content-type", value);
        }),
        ("a signed header removed", |request| {
            request.headers_mut().remove("content-type");
        }),
        ("a signed header twice", |request| {
            let value = "text/html".parse().unwrap();
            request.headers_mut().append("content-type", value);
        }),
        ("the path", |request| replace_in_uri(request, "/tools", "/tolls")),
        ("the query", |request| replace_in_uri(request, "a=1", "a=2")),
        ("the method", |request| *request.method_mut() = Method::PUT),
    ];
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    for (what, change) in changes {
        let mut request = world.signed(&alice, "/tools?b=2&a=1", "hello");
        change(&mut request);
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
        assert_eq!(answer.error_type(), "InvalidSignatureException", "{what}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("The Canonical String for this request should have been\n'P"),
            "{what}: {message}"
        );
        assert!(message.contains("The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n"), "{what}");
        assert!(!message.contains(&alice.secret_access_key));
    }
}

#[tokio::test]
async fn credentials_are_told_apart() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let bob = world.session(READER, "bob");
    let mut wrong_token = alice.clone();
    wrong_token.session_token.clone_from(&bob.session_token);
    let mut no_token = alice.clone();
    no_token.session_token = None;
    let mut needless_token = world.book().issue_user("123456789012", "carol");
    needless_token.session_token.clone_from(&bob.session_token);
    let mut wrong_secret = alice.clone();
    wrong_secret.secret_access_key.clone_from(&bob.secret_access_key);
    let unknown = Book::new(Clock::default()).issue_user("123456789012", "mallory");
    let forgotten = world.session(ADMIN, "eve");
    world.book().forget(&forgotten.access_key_id);
    for (what, credentials, code) in [
        ("another's token", wrong_token, "UnrecognizedClientException"),
        ("no token", no_token, "UnrecognizedClientException"),
        ("a user with a token", needless_token, "UnrecognizedClientException"),
        ("an unknown key", unknown, "UnrecognizedClientException"),
        ("a revoked key", forgotten, "UnrecognizedClientException"),
        ("another's secret", wrong_secret, "InvalidSignatureException"),
    ] {
        let answer = world.send(world.signed(&credentials, "/", "")).await;
        assert_eq!(answer.error_type(), code, "{what}");
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
    }
}

#[tokio::test]
async fn time_is_the_clocks() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let clock = world.book().clock();

    let request = world.signed(&alice, "/", "");
    clock.advance(Duration::from_secs(270));
    assert_eq!(world.send(request.clone()).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(40));
    let answer = world.send(request).await;
    assert_eq!(answer.error_type(), "InvalidSignatureException");
    assert!(answer.text().contains("Signature expired: "), "{}", answer.text());

    let request = world.signed(&alice, "/", "");
    clock.rewind(Duration::from_secs(330));
    let answer = world.send(request).await;
    assert!(answer.text().contains("Signature not yet current: "), "{}", answer.text());
    let date = answer.headers["date"].to_str().unwrap().to_owned();

    clock.advance(Duration::from_secs(7200));
    let answer = world.send(world.signed(&alice, "/", "")).await;
    assert_eq!(answer.error_type(), "ExpiredTokenException");
    assert_ne!(answer.headers["date"], date, "the date follows the clock");
}

#[tokio::test]
async fn a_signature_is_for_one_scope() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    for (service, region, message) in [
        ("execute-api", "us-east-1", "Credential should be scoped to a valid region, not 'us-east-1'."),
        ("lambda", REGION, "Credential should be scoped to correct service: 'execute-api'."),
    ] {
        let request = Signer::new(&world, service).region(region).sign(&alice, "/", "x");
        let answer = world.send(request).await;
        assert_eq!(answer.error_type(), "InvalidSignatureException");
        assert_eq!(answer.json()["message"], message);
    }
}

fn replace_in_uri(request: &mut Request<Bytes>, from: &str, to: &str) {
    *request.uri_mut() = request.uri().to_string().replace(from, to).parse().unwrap();
}
