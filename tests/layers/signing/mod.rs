//! What is signed here, judged by a verifier that nobody here wrote.

mod agentcore;
mod buffer;
mod equality;
mod events;
mod host;
mod mismatch;
mod skew;
mod vectors;
mod wire;

use crate::world::Shared;
use bytes::Bytes;
use countersign::{
    BoxError, Error, Kind,
    outgoing::Payload,
    proof::{ForwardHeaders, NoCaller},
    sign::{SignRequestLayer, SigningTarget},
    sts::{ServiceCredentialsLayer, StaticKeys},
    transmit::Transmit,
};
use countersign_fixtures::{
    clock::Clock,
    credentials::{Book, Credentials},
    fault::Fault,
    oracle::{Oracle, OracleServer, Seen, who_signed},
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    time::Duration,
};
use tower::{ServiceBuilder, ServiceExt, retry::Policy, service_fn, util::BoxCloneSyncService};

const ROLE: &str = "arn:aws:iam::123456789012:role/Writer";

/// A service that checks signatures, credentials for it, and the time both go by.
struct Scene {
    clock: Clock,
    server: OracleServer,
    credentials: Credentials,
    target: SigningTarget,
}

type Stack<B> = BoxCloneSyncService<Request<countersign::proof::Carry<NoCaller, B>>, StatusCode, BoxError>;

impl Scene {
    async fn at(service: &str) -> Self {
        let clock = Clock::default();
        let book = Book::new(clock.clone());
        let credentials = book.issue_hour_in(ROLE, "alice");
        let server = OracleServer::start(Oracle::new(book, service, "eu-west-1"), who_signed()).await;
        Self { clock, server, credentials, target: SigningTarget::new(service, "eu-west-1").unwrap() }
    }

    fn layer(&self) -> SignRequestLayer {
        SignRequestLayer::new(self.target.clone()).with_clock(Arc::new(Shared(self.clock.clone())))
    }

    fn keys(&self) -> StaticKeys {
        StaticKeys::new(&self.credentials.access_key_id, self.credentials.secret_access_key.clone().into())
            .with_session_token(self.credentials.session_token.clone().unwrap().into())
    }

    fn stack<B>(&self, layer: SignRequestLayer) -> Stack<B>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let client: Client<_, Payload<B>> = Client::builder(TokioExecutor::new()).build_http();
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .map_response(|response: Response<hyper::body::Incoming>| response.status())
                .layer(ServiceCredentialsLayer::new(self.keys()))
                .layer(layer)
                .service(Transmit::new(client)),
        )
    }

    fn post<B>(&self, target: &str, body: B) -> Request<B> {
        Request::post(format!("{}{target}", self.server.url())).body(body).unwrap()
    }

    /// The status, and what arrived last.
    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, Seen) {
        let status = self.stack(self.layer()).oneshot(plain(request)).await.unwrap();
        (status, self.server.oracle().seen().pop().unwrap())
    }
}

/// Everything that is set here is set after attaching, as a backend's own stack does it.
fn plain<B>(request: Request<B>) -> Request<countersign::proof::Carry<NoCaller, B>> {
    let headers = request.headers().clone();
    let mut attached = NoCaller::attach(request, &ForwardHeaders::default());
    *attached.headers_mut() = headers;
    attached
}

fn kind(error: &BoxError) -> Kind {
    error.downcast_ref::<Error>().unwrap_or_else(|| panic!("{error} is none of ours")).kind()
}

#[tokio::test]
async fn whatever_goes_out_is_accepted() {
    for service in ["execute-api", "s3"] {
        let scene = Scene::at(service).await;
        for target in
            ["/", "/a/b", "/a%20b", "/a%2Fb/c", "/?b=2&a=1&a=0", "/?q=a%20b&empty=&bare", "/%C3%BC", "//x"]
        {
            for body in ["", "{}", "x".repeat(70_000).as_str()] {
                let mut request = scene.post(target, Full::from(body.to_owned()));
                request
                    .headers_mut()
                    .insert("content-type", HeaderValue::from_static("text/plain; charset=utf-8"));
                request.headers_mut().insert("x-amz-meta-note", HeaderValue::from_static("  two   spaces "));
                let (status, seen) = scene.send(request).await;
                assert_eq!(status, StatusCode::OK, "{service} {target}: {:?}", seen.verdict);
                assert_eq!(seen.body, body);
                assert_eq!(seen.principal().unwrap().session_name.as_deref(), Some("alice"));
            }
        }
        for method in [Method::GET, Method::DELETE, Method::PUT] {
            let mut request = scene.post("/thing", Full::default());
            *request.method_mut() = method;
            assert_eq!(scene.send(request).await.0, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn only_what_must_be_is_signed_and_nothing_stale_is_sent() {
    let scene = Scene::at("execute-api").await;
    let mut request = scene.post("/", Full::from("{}"));
    let stale: HeaderMap = [
        ("authorization", "Bearer the-callers-own"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "somebody-elses"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("connection", "close, x-hop"),
        ("transfer-encoding", "chunked"),
        ("host", "elsewhere.example"),
        ("te", "trailers"),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
    .into_iter()
    .collect();
    request.headers_mut().extend(stale);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    request.headers_mut().insert("x-amz-target", HeaderValue::from_static("Things.Do"));
    request.headers_mut().insert("mcp-session-id", HeaderValue::from_static("s-1"));

    let (status, seen) = scene.send(request).await;

    assert_eq!(status, StatusCode::OK, "{:?}", seen.verdict);
    let authorization = seen.header("authorization").unwrap();
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,";
    assert!(authorization.contains(signed), "{authorization}");
    assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(seen.header("x-amz-security-token"), scene.credentials.session_token.as_deref());
    assert_eq!(seen.header("mcp-session-id"), Some("s-1"));
    for name in ["x-amz-content-sha256", "te", "transfer-encoding"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("host"), scene.server.url().strip_prefix("http://"));
}

#[tokio::test]
async fn a_body_in_pieces_is_signed_whole() {
    let scene = Scene::at("execute-api").await;
    let body = pieces(["one, ", "two, ", "", "three"].map(|piece| Frame::data(Bytes::from(piece))));
    let status = scene.stack(scene.layer()).oneshot(plain(scene.post("/", body))).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(scene.server.oracle().seen().pop().unwrap().body, "one, two, three");
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_sent() {
    let scene = Scene::at("execute-api").await;
    let stack = scene.stack(scene.layer().with_max_body(10));
    let too_large = pieces(["12345", "67890", "1"].map(|piece| Frame::data(Bytes::from(piece))));
    let error = stack.clone().oneshot(plain(scene.post("/", too_large))).await.unwrap_err();
    assert_eq!(kind(&error), Kind::BodyTooLarge);

    let trailers = pieces([Frame::data(Bytes::from("1")), Frame::trailers(HeaderMap::new())]);
    let error = stack.oneshot(plain(scene.post("/", trailers))).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Unsignable);

    for address in ["http://example.com/", "ftp://127.0.0.1/", "/relative"] {
        let request = Request::post(address).body(Full::from("{}")).unwrap();
        let error = scene.stack(scene.layer()).oneshot(plain(request)).await.unwrap_err();
        assert_eq!(kind(&error), Kind::Unsignable, "{address}");
    }
    let mut request = scene.post("/", Full::from("{}"));
    request.headers_mut().insert("x-amz-note", HeaderValue::from_bytes(b"\xff").unwrap());
    let error = scene.stack(scene.layer()).oneshot(plain(request)).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Unsignable);
    assert!(scene.server.oracle().seen().is_empty());
}

#[tokio::test]
async fn an_unsigned_payload_is_passed_on_as_it_comes() {
    let scene = Scene::at("s3").await;
    let stack = scene.stack(scene.layer().with_unsigned_payload());
    let body = pieces(["any", "thing"].map(|piece| Frame::data(Bytes::from(piece))));
    assert_eq!(stack.oneshot(plain(scene.post("/object", body))).await.unwrap(), StatusCode::OK);
    let seen = scene.server.oracle().seen().pop().unwrap();
    assert_eq!(
        (seen.header("x-amz-content-sha256"), &seen.body[..]),
        (Some("UNSIGNED-PAYLOAD"), &b"anything"[..])
    );
}

#[tokio::test]
async fn a_retry_stands_outside_and_is_signed_anew() {
    let scene = Scene::at("execute-api").await;
    scene.server.faults().add("/", Fault::Status(503), Some(1));
    let clock = scene.clock.clone();
    let later = service_fn({
        let stack = scene.stack(scene.layer());
        move |request| {
            // A second signature has another time.
            clock.advance(Duration::from_secs(60));
            stack.clone().oneshot(request)
        }
    });
    let stack = ServiceBuilder::new().retry(Once(true)).service(later);
    assert_eq!(stack.oneshot(plain(scene.post("/", Full::from("{}")))).await.unwrap(), StatusCode::OK);
    assert_eq!(scene.server.oracle().seen().len(), 1, "the fault answered the other one");
}

#[tokio::test]
async fn the_signature_tells_the_time_of_our_clock() {
    let scene = Scene::at("execute-api").await;
    let behind = Clock::default();
    behind.rewind(Duration::from_secs(600));
    let layer = scene.layer().with_clock(Arc::new(Shared(behind)));
    let status = scene.stack(layer).oneshot(plain(scene.post("/", Full::from("{}")))).await.unwrap();
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(scene.server.oracle().seen().pop().unwrap().denied().unwrap().code(), "RequestTimeTooSkewed");
}

#[tokio::test]
async fn a_body_in_memory_is_not_copied() {
    let scene = Scene::at("execute-api").await;
    let bytes = Bytes::from(vec![7; 4096]);
    let address = bytes.as_ptr();
    let stack =
        ServiceBuilder::new().layer(ServiceCredentialsLayer::new(scene.keys())).layer(scene.layer()).service(
            Transmit::dangerous_over(service_fn(async move |request: Request<Payload<Full<Bytes>>>| {
                Ok::<_, BoxError>(Response::new(request.into_body().collect().await?.to_bytes()))
            })),
        );
    let sent = stack.oneshot(plain(scene.post("/", Full::new(bytes)))).await.unwrap().into_body();
    assert_eq!(sent.as_ptr(), address);
}

type Pieces = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

fn pieces(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Pieces {
    StreamBody::new(stream::iter(frames.into_iter().map(Ok).collect::<Vec<_>>()))
}

/// Tries once more after a status of 500 and above.
#[derive(Clone)]
struct Once(bool);

impl<R: Clone, E> Policy<R, StatusCode, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut R, answer: &mut Result<StatusCode, E>) -> Option<Ready<()>> {
        let again = self.0 && answer.as_ref().is_ok_and(StatusCode::is_server_error);
        again.then(|| {
            self.0 = false;
            ready(())
        })
    }

    fn clone_request(&mut self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}
