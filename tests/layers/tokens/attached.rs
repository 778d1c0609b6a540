//! What is put onto a request, what is not, and what stops one.

use super::{
    backend::Backend,
    gateway::{Gateway, Stack, boxed, wire},
    ours,
};
use crate::{service::bearer, world::World};
use bytes::Bytes;
use countersign::{
    BoxError, Kind, ServiceBuilderExt,
    attach::{AttachHeadersLayer, FixedHeaders},
    outgoing::Payload,
    proof::{ForwardHeaders, NoCaller, UpstreamToken},
    tokens::{Refusal, TokenRequest, TokenSource},
    transmit::Transmit,
};
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use secrecy::ExposeSecret;
use std::{
    convert::Infallible,
    future::{Ready, ready},
};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::set_header::SetRequestHeaderLayer;

/// Gives everybody this token, or where there is none everybody's own.
#[derive(Debug)]
struct Gives(Option<&'static str>);

impl TokenSource for Gives {
    type Future = Ready<Result<UpstreamToken, Refusal>>;

    fn token(&self, request: TokenRequest) -> Self::Future {
        let own = || request.caller().token().unwrap().expose_secret().to_owned();
        ready(Ok(UpstreamToken::new(self.0.map_or_else(own, str::to_owned).into(), None, None)))
    }
}

fn giving(token: Option<&'static str>) -> Stack {
    let builder = ServiceBuilder::new().resolve_tokens(Gives(token), ["p"]);
    boxed(builder.attach_upstream_token("p").service(wire()))
}

#[tokio::test]
async fn what_would_be_wrong_in_a_header_is_not_sent() {
    let (world, backend) = (World::new().await, Backend::start().await);
    let doubling = ServiceBuilder::new()
        .layer(SetRequestHeaderLayer::appending(
            header::AUTHORIZATION,
            HeaderValue::from_static("Basic eDp5"),
        ))
        .resolve_tokens(Gives(Some("good")), ["p"])
        .attach_upstream_token("p")
        .service(wire());
    let other = ServiceBuilder::new()
        .resolve_tokens(Gives(Some("good")), ["p"])
        .attach_upstream_token("another")
        .service(wire());
    let service = Gateway::new()
        .route("/good", giving(Some("good")), backend.url())
        .route("/own", giving(None), backend.url())
        .route("/split", giving(Some("a\r\nx-admin: 1")), backend.url())
        .route("/two", giving(Some("a, Bearer b")), backend.url())
        .route("/empty", giving(Some("")), backend.url())
        .route("/doubled", boxed(doubling), backend.url())
        .route("/not-looked-up", boxed(other), backend.url())
        .route("/plain", giving(Some("good")), "http://backend.example/")
        .start(&world)
        .await;
    let own = world.alice().token();
    for (path, status) in [
        ("/own", 500),
        ("/split", 500),
        ("/two", 500),
        ("/empty", 500),
        ("/doubled", 500),
        ("/not-looked-up", 403),
        ("/plain", 500),
    ] {
        let [authorization] = bearer(&own);
        let request =
            Request::post(format!("{}{path}", service.url())).header("authorization", authorization);
        let answer = service.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        assert!(backend.bytes().is_empty(), "{path}");
    }
    // Nobody talks the gateway out of its token.
    let [authorization] = bearer(&own);
    let request = Request::post(format!("{}/good", service.url()))
        .header("authorization", authorization)
        .header("connection", "close, authorization, x-api-key")
        .header("cookie", "session=secret");
    let answer = service.send(request.body(Full::from("{}")).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(backend.tokens(), ["good"]);
    assert!(!backend.has_seen(&own) && !backend.has_seen("secret"));
}

#[tokio::test]
async fn a_backend_gets_its_headers_and_those_of_the_callers_that_it_is_meant_to_get() {
    let (world, backend, other) = (World::new().await, Backend::start().await, Backend::start().await);
    let fixed = FixedHeaders::builder()
        .with("authorization", "Basic b3VyczpzZXNhbWU".into())
        .with("x-tenant", "acme".into())
        .replacing("user-agent", "countersign".into());
    let stack =
        || boxed(ServiceBuilder::new().attach_headers(fixed.clone().build().unwrap()).service(wire()));
    let region = HeaderName::from_static("x-region");
    let tenant = HeaderName::from_static("x-tenant");
    let service = Gateway::new()
        .route_forwarding("/open", stack(), backend.url(), ForwardHeaders::default().and(region))
        .route_forwarding("/clash", stack(), other.url(), ForwardHeaders::default().and(tenant))
        .start(&world)
        .await;
    let own = world.alice().token();
    let call = async |path: &str| {
        let [authorization] = bearer(&own);
        let request = Request::post(format!("{}{path}", service.url()))
            .header("authorization", authorization)
            .header("user-agent", "a client")
            .header("x-region", "north")
            .header("x-tenant", "somebody else's");
        service.send(request.body(Full::from("{}")).unwrap()).await.status
    };
    assert_eq!(call("/open").await, StatusCode::OK);
    let seen = backend.seen().pop().unwrap();
    let values = |name: &str| seen.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    assert_eq!(values("authorization"), ["Basic b3VyczpzZXNhbWU"]);
    assert_eq!(values("x-tenant"), ["acme"]);
    assert_eq!(values("user-agent"), ["countersign"]);
    assert_eq!(values("x-region"), ["north"]);
    assert!(!backend.has_seen(&own));

    // Where a client may decide what the configuration decides, neither wins silently.
    assert_eq!(call("/clash").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(other.bytes().is_empty());
}

#[tokio::test]
async fn nobody_in_particular_gets_headers_too_and_a_body_is_passed_on_as_it_comes() {
    let backend = Backend::start().await;
    let client: Client<_, Payload<_>> = Client::builder(TokioExecutor::new()).build_http();
    let fixed = FixedHeaders::builder().with("x-api-key", "sesame".into()).build().unwrap();
    let stack = ServiceBuilder::new().layer(AttachHeadersLayer::new(fixed)).service(Transmit::new(client));
    let pieces = ["any", "thing"].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
    let mut request = NoCaller::attach(
        Request::post(backend.url()).body(StreamBody::new(stream::iter(pieces))).unwrap(),
        &ForwardHeaders::default(),
    );
    let lies = [("content-length", "3"), ("host", "elsewhere.example"), ("te", "trailers")];
    for (name, value) in lies {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let answer: Response<Incoming> = stack.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    let seen = backend.seen().pop().unwrap();
    assert_eq!(
        (&seen.body[..], &seen.headers["x-api-key"]),
        (&b"anything"[..], &HeaderValue::from_static("sesame"))
    );
    assert_eq!(seen.headers["host"], backend.url().strip_prefix("http://").unwrap());
    assert!(!seen.headers.contains_key("te"));
}

#[tokio::test]
async fn a_secret_is_sent_in_the_open_only_where_that_is_said() {
    let send = async |layer: AttachHeadersLayer| {
        let echo = tower::service_fn(async |request: Request<Payload<Full<Bytes>>>| {
            Ok::<_, BoxError>(Response::new(request.headers().len()))
        });
        let stack = ServiceBuilder::new().layer(layer).service(Transmit::dangerous_over(echo));
        let request = Request::post("http://backend.example/").body(Full::default()).unwrap();
        stack.oneshot(NoCaller::attach(request, &ForwardHeaders::default())).await
    };
    let secret = || FixedHeaders::builder().with("x-api-key", "sesame".into()).build().unwrap();
    let error = send(AttachHeadersLayer::new(secret())).await.unwrap_err();
    assert_eq!(ours(&error).kind(), Kind::Unattachable);
    let sent = send(AttachHeadersLayer::new(secret()).dangerous_allow_plain_http()).await.unwrap();
    assert_eq!(sent.into_body(), 1);
    assert_eq!(send(AttachHeadersLayer::none()).await.unwrap().into_body(), 0, "there is no secret");
}
