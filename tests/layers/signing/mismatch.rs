//! Somebody on the way changes what was signed, and the log says what.

use super::{Scene, plain};
use crate::log::Log;
use bytes::Bytes;
use countersign::{
    BoxError,
    outgoing::Payload,
    sign::{CorrectClockLayer, CorrectedClock, SignRequestLayer},
    sts::ServiceCredentialsLayer,
    transmit::Transmit,
};
use countersign_fixtures::{
    credentials::Book,
    oracle::{Oracle, OracleServer, Protocol, who_signed},
};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::sync::Arc;
use tower::{ServiceBuilder, ServiceExt, service_fn};

type Change = fn(&mut Request<Payload<Full<Bytes>>>);

/// What the log says after a request that `change` changed on the way, and what the caller got.
async fn after(scene: &Scene, change: Change) -> (StatusCode, Bytes, String) {
    let log = Log::record();
    let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
    let send = service_fn(move |mut request: Request<Payload<Full<Bytes>>>| {
        change(&mut request);
        client.request(request)
    });
    let clock = CorrectedClock::new(Arc::new(crate::world::Shared(scene.clock.clone())));
    let sign = SignRequestLayer::new(scene.target.clone()).with_clock(Arc::new(clock.clone()));
    let stack = ServiceBuilder::new()
        .layer(CorrectClockLayer::new(clock).explaining(sign.signer()))
        .layer(ServiceCredentialsLayer::new(scene.keys()))
        .layer(sign)
        .service(Transmit::dangerous_over(send));
    let mut request = scene.post("/a%20b?x=1&secret=hush", Full::from("{}"));
    request.headers_mut().insert("x-amz-meta-note", HeaderValue::from_static("a-quiet-word"));
    let answer = stack.oneshot(plain(request)).await.unwrap();
    let (status, body) = (answer.status(), answer.into_body().collect().await.map_err(BoxError::from));
    (status, body.unwrap().to_bytes(), log.lines("countersign::sign").join("\n"))
}

async fn speaking(service: &str, protocol: Protocol) -> Scene {
    let mut scene = Scene::at(service).await;
    let book = Book::new(scene.clock.clone());
    scene.credentials = book.issue_hour_in(super::ROLE, "alice");
    let oracle = Oracle::new(book, service, "eu-west-1").speaking(protocol);
    scene.server = OracleServer::start(oracle, who_signed()).await;
    scene
}

fn go_to(request: &mut Request<Payload<Full<Bytes>>>, from: &str, to: &str) {
    *request.uri_mut() = request.uri().to_string().replace(from, to).parse().unwrap();
}

#[tokio::test]
async fn the_log_names_what_arrived_otherwise_in_every_protocol() {
    let changes: [(&str, Change, &str); 5] = [
        ("method", |request| *request.method_mut() = Method::PUT, "method `POST` was signed, `PUT` arrived"),
        ("path", |request| go_to(request, "/a%20b", "/a/b"), "`/a/b` arrived"),
        ("query", |request| go_to(request, "hush", "loud"), "another value or number of `secret`"),
        (
            "header",
            |request| {
                request.headers_mut().insert("x-amz-meta-note", HeaderValue::from_static("louder-now"));
            },
            "header `x-amz-meta-note` arrived with another value: 10 bytes where 12 were signed",
        ),
        (
            "one more",
            |request| {
                let date = request.headers()["x-amz-date"].clone();
                request.headers_mut().insert("x-amz-meta-more", date);
            },
            "",
        ),
    ];
    for (service, protocol) in [
        ("execute-api", Protocol::Json),
        ("dynamodb", Protocol::AwsJson),
        ("iam", Protocol::Query),
        ("s3", Protocol::S3),
    ] {
        let scene = speaking(service, protocol).await;
        for (what, change, said) in changes {
            let (status, body, log) = after(&scene, change).await;
            assert!(status.is_client_error(), "{service} {what}: {status}");
            assert!(!body.is_empty(), "the answer is handed on whole");
            assert!(log.contains(said), "{service} {what}: {log}");
            let token = scene.credentials.session_token.clone().unwrap();
            for secret in ["hush", "loud", "a-quiet-word", token.as_str()] {
                assert!(!log.contains(secret), "{service} {what}: {log}");
            }
        }
    }
}

#[tokio::test]
async fn where_nothing_differs_it_is_the_key_or_the_payload() {
    let mut scene = Scene::at("execute-api").await;
    scene.credentials.secret_access_key = "x".repeat(40);
    let (status, _, log) = after(&scene, |_| {}).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(log.contains("nothing that can be compared differs"), "{log}");
}
