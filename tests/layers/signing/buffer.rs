//! A large body is in memory once, and one that is too large never leaves.

use super::{Scene, kind, plain};
use bytes::Bytes;
use countersign::{BoxError, Kind, outgoing::Payload, sts::ServiceCredentialsLayer, transmit::Transmit};
use countersign_fixtures::oracle::OracleServer;
use futures_util::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const LIMIT: usize = 10 * 1024 * 1024;

/// A body of so many bytes in pieces, each made when it is asked for.
fn streamed(length: usize, piece: usize) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin {
    let pieces = (0..length).step_by(piece).map(move |at| {
        let bytes = Bytes::from(vec![u8::try_from(at % 251).unwrap(); piece.min(length - at)]);
        Ok(Frame::data(bytes))
    });
    StreamBody::new(stream::iter(pieces))
}

#[tokio::test]
async fn what_is_too_large_by_a_byte_is_refused_before_anything_is_sent() {
    let scene = Scene::at("execute-api").await;
    for (length, piece) in [(LIMIT + 1, 64 * 1024), (LIMIT + 1, 1000)] {
        let stack = scene.stack(scene.layer());
        let error = stack.oneshot(plain(scene.post("/", streamed(length, piece)))).await.unwrap_err();
        assert_eq!(kind(&error), Kind::BodyTooLarge);
    }
    assert_eq!(scene.server.accepted(), 0);
}

#[tokio::test]
async fn ten_mebibytes_are_signed_and_arrive() {
    let mut scene = Scene::at("execute-api").await;
    // The usual router reads no more than axum lets it.
    let oracle = scene.server.oracle().clone();
    scene.server = OracleServer::start(oracle, axum::Router::new().fallback(|| std::future::ready(()))).await;
    let stack = scene.stack(scene.layer());
    assert_eq!(stack.oneshot(plain(scene.post("/", streamed(LIMIT, 64 * 1024)))).await.unwrap(), 200);
    assert_eq!(scene.server.oracle().seen().pop().unwrap().body.len(), LIMIT);
}

/// Whatever the size of the pieces, what is held is the body and a little.
#[tokio::test]
async fn it_is_held_once() {
    let scene = Scene::at("execute-api").await;
    for piece in [1, 1000, 64 * 1024, LIMIT] {
        let length = if piece == 1 { LIMIT / 10 } else { LIMIT };
        let held = Arc::new(AtomicUsize::new(0));
        let note = held.clone();
        let keep = service_fn(move |request: Request<Payload<_>>| {
            let note = note.clone();
            async move {
                let mut body = request.into_body();
                let (mut total, mut pieces) = (0, 0_usize);
                while let Some(frame) = body.frame().await {
                    let data = frame.unwrap_or_else(|never: Infallible| match never {}).into_data().unwrap();
                    total += data.len();
                    pieces += 1;
                }
                note.store(pieces, Ordering::Relaxed);
                Ok::<_, BoxError>(Response::new(total))
            }
        });
        let stack = ServiceBuilder::new()
            .layer(ServiceCredentialsLayer::new(scene.keys()))
            .layer(scene.layer())
            .service(Transmit::dangerous_over(keep));
        let total = stack.oneshot(plain(scene.post("/", streamed(length, piece)))).await.unwrap();
        assert_eq!(*total.body(), length);
        let pieces = held.load(Ordering::Relaxed);
        assert!(pieces <= 200, "pieces of {piece} bytes end up as {pieces}");
    }
}
