//! A clock that is wrong.

use super::{Scene, plain};
use bytes::Bytes;
use countersign::{
    BoxError,
    clock::Clock as _,
    outgoing::Payload,
    sign::{CorrectClockLayer, CorrectedClock, SignRequestLayer},
    sts::ServiceCredentialsLayer,
    transmit::Transmit,
};
use countersign_fixtures::{
    clock::Clock,
    credentials::Book,
    oracle::{Oracle, OracleServer, Protocol, who_signed},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{sync::Arc, time::Duration};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const MINUTE: Duration = Duration::from_secs(60);

async fn send(scene: &Scene, clock: &CorrectedClock) -> (StatusCode, Bytes) {
    let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .layer(CorrectClockLayer::new(clock.clone()))
        .layer(ServiceCredentialsLayer::new(scene.keys()))
        .layer(SignRequestLayer::new(scene.target.clone()).with_clock(Arc::new(clock.clone())))
        .service(Transmit::new(client));
    let answer = stack.oneshot(plain(scene.post("/", Full::from("{}")))).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

fn wrong(scene: &Scene, by: i64) -> CorrectedClock {
    let clock = Clock::default();
    let distance = MINUTE * u32::try_from(by.unsigned_abs()).unwrap();
    if by < 0 {
        clock.rewind(distance)
    } else {
        clock.advance(distance)
    }
    assert!(scene.clock.unix().abs_diff(clock.unix()).abs_diff(distance.as_secs()) <= 1);
    CorrectedClock::new(Arc::new(crate::world::Shared(clock)))
}

#[tokio::test]
async fn it_is_corrected_once_and_for_every_protocol() {
    for (service, protocol) in [
        ("execute-api", Protocol::Json),
        ("dynamodb", Protocol::AwsJson),
        ("iam", Protocol::Query),
        ("s3", Protocol::S3),
    ] {
        for minutes in [-30, 30] {
            let mut scene = Scene::at(service).await;
            let book = Book::new(scene.clock.clone());
            scene.credentials = book.issue_hour_in(super::ROLE, "alice");
            let oracle = Oracle::new(book, service, "eu-west-1").speaking(protocol);
            scene.server = OracleServer::start(oracle, who_signed()).await;
            let clock = wrong(&scene, minutes);

            assert_eq!(send(&scene, &clock).await.0, StatusCode::OK, "{service} {minutes}");
            assert!(clock.offset().abs_diff(-60 * minutes) <= 2, "{}", clock.offset());
            assert_eq!(scene.server.oracle().seen().len(), 2, "refused, and once more");

            // Known by now.
            assert_eq!(send(&scene, &clock).await.0, StatusCode::OK);
            assert_eq!(scene.server.oracle().seen().len(), 3);
        }
    }
}

#[tokio::test]
async fn everybody_who_was_on_the_way_meanwhile_gets_another_try() {
    let mut scene = Scene::at("execute-api").await;
    let book = Book::new(scene.clock.clone());
    scene.credentials = book.issue_hour_in(super::ROLE, "alice");
    scene.server = OracleServer::start(Oracle::new(book, "execute-api", "eu-west-1"), who_signed()).await;
    let clock = wrong(&scene, -30);
    let sent = futures_util::future::join_all((0..20).map(|_| send(&scene, &clock))).await;
    assert!(sent.iter().all(|(status, _)| *status == StatusCode::OK), "{sent:?}");
    assert!(clock.offset().abs_diff(60 * 30) <= 2, "{}", clock.offset());
}

#[tokio::test]
async fn it_is_not_believed_by_more_than_an_hour_and_the_refusal_is_handed_on_whole() {
    let scene = Scene::at("s3").await;
    let clock = wrong(&scene, -90);
    let (status, body) = send(&scene, &clock).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.starts_with("<?xml") && text.ends_with("</Error>"), "{text}");
    assert_eq!((clock.offset(), scene.server.oracle().seen().len()), (0, 1));
}

#[tokio::test]
async fn another_refusal_corrects_nothing() {
    let mut scene = Scene::at("execute-api").await;
    scene.credentials.secret_access_key = "x".repeat(40);
    let clock = wrong(&scene, 0);
    // Wrong keys, and the right time.
    assert_eq!(send(&scene, &clock).await.0, StatusCode::FORBIDDEN);
    assert_eq!((clock.offset(), scene.server.oracle().seen().len()), (0, 1));
}

#[tokio::test]
async fn a_time_that_does_not_help_is_asked_for_once() {
    // A backend whose date is wrong, and which refuses whatever it gets.
    let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let backend = service_fn({
        let calls = calls.clone();
        move |_: Request<&'static str>| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let answer = Response::builder()
                .status(403)
                .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
                .header("x-amzn-errortype", "InvalidSignatureException")
                .body(Full::<Bytes>::from("{}"));
            std::future::ready(answer.map_err(BoxError::from))
        }
    });
    let inner = Arc::new(crate::world::Shared(Clock::default()));
    let clock = CorrectedClock::with_most(inner, Duration::from_secs(100 * 365 * 24 * 3600));
    let stack = ServiceBuilder::new().layer(CorrectClockLayer::new(clock.clone())).service(backend);
    let answer = stack.oneshot(Request::new("again")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}");
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert!(clock.now() < std::time::UNIX_EPOCH + Duration::from_secs(800_000_000));
}
