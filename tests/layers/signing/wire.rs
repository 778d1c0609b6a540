//! What arrives is what was signed: under both versions of HTTP, and after whatever stands in between.

use super::{Once, Scene, plain};
use bytes::Bytes;
use countersign::{
    BoxError, Error, Kind,
    outgoing::Payload,
    proof::{Carry, ForwardHeaders, NoCaller},
    sign::{PayloadHash, SignRequestLayer, SignedHeaders, SigningTarget},
    sts::ServiceCredentialsLayer,
    transmit::Transmit,
};
use countersign_fixtures::{fault::Fault, oracle::Seen};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

type Stack = BoxCloneSyncService<Request<Carry<NoCaller, Full<Bytes>>>, StatusCode, BoxError>;
type Left = Arc<Mutex<Vec<(Method, String, HeaderMap)>>>;

/// A whole stack, and what left it.
fn stack(scene: &Scene, layer: SignRequestLayer, http2: bool) -> (Stack, Left) {
    let client: Client<_, Payload<Full<Bytes>>> =
        Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let left = Left::default();
    let note = left.clone();
    let send = service_fn(move |request: Request<Payload<Full<Bytes>>>| {
        let target = request.uri().path_and_query().unwrap().to_string();
        note.lock().unwrap().push((request.method().clone(), target, request.headers().clone()));
        client.request(request)
    });
    let stack = ServiceBuilder::new()
        .retry(Once(true))
        .map_response(|response: Response<hyper::body::Incoming>| response.status())
        .layer(ServiceCredentialsLayer::new(scene.keys()))
        .layer(layer)
        .timeout(Duration::from_secs(20))
        .service(Transmit::dangerous_over(send));
    (BoxCloneSyncService::new(stack), left)
}

fn signed_names(seen: &Seen) -> Vec<String> {
    let authorization = seen.header("authorization").unwrap();
    let names = authorization.split_once("SignedHeaders=").unwrap().1.split(',').next().unwrap();
    names.split(';').map(str::to_owned).collect()
}

#[tokio::test]
async fn every_signed_octet_arrives() {
    for http2 in [false, true] {
        for service in ["execute-api", "s3"] {
            for which in [SignedHeaders::Minimal, SignedHeaders::All] {
                let scene = Scene::at(service).await;
                let (stack, left) = stack(&scene, scene.layer().with_signed_headers(which), http2);
                for (method, target, body) in [
                    (Method::POST, "/mcp", "{\"jsonrpc\":\"2.0\"}"),
                    (Method::GET, "/a%20b/c+d:e=f@g;h,i!j$k&l'm(n)o*p", ""),
                    (Method::PUT, "/%C3%A4/~x?z=1&a=%2B+x&b&a=0&q=/?:@", "x"),
                    (Method::DELETE, "/?", ""),
                ] {
                    let mut request = scene.post(target, Full::from(body));
                    *request.method_mut() = method.clone();
                    for (name, value) in [
                        ("content-type", "application/json"),
                        ("x-amz-target", "A.B"),
                        ("x-amz-meta-spaces", "a  b   c"),
                        ("mcp-session-id", "s 1"),
                    ] {
                        request.headers_mut().insert(name, HeaderValue::from_static(value));
                    }
                    let status = stack.clone().oneshot(plain(request)).await.unwrap();
                    let seen = scene.server.oracle().seen().pop().unwrap();
                    assert_eq!(status, StatusCode::OK, "{service} h2:{http2} {target}: {:?}", seen.verdict);
                    let (sent_method, sent_target, sent) = left.lock().unwrap().pop().unwrap();
                    assert_eq!((&seen.method, seen.body.as_ref()), (&method, body.as_bytes()));
                    assert_eq!(sent_method, method);
                    assert_eq!(sent_target, target);
                    assert_eq!(seen.uri.path_and_query().unwrap().as_str(), target, "h2:{http2}");
                    let names = signed_names(&seen);
                    assert_eq!(names.contains(&"mcp-session-id".to_owned()), which == SignedHeaders::All);
                    for name in names.iter().filter(|name| *name != "host") {
                        let arrived: Vec<_> = seen.headers.get_all(name).iter().collect();
                        assert_eq!(arrived, sent.get_all(name).iter().collect::<Vec<_>>(), "{name}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_retry_is_signed_anew_under_either_version() {
    for http2 in [false, true] {
        let scene = Scene::at("execute-api").await;
        scene.server.faults().add("/", Fault::Status(503), Some(1));
        let (stack, left) = stack(&scene, scene.layer(), http2);
        assert_eq!(stack.oneshot(plain(scene.post("/", Full::from("{}")))).await.unwrap(), StatusCode::OK);
        assert_eq!(left.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn one_changed_bit_is_refused() {
    type Change = fn(&mut Request<Bytes>);
    let changes: [(&str, Change); 8] = [
        ("nothing", |_| {}),
        ("the method", |request| *request.method_mut() = Method::PUT),
        ("the path", |request| replace(request, "/thing", "/thinf")),
        ("the query", |request| replace(request, "a=1", "a=0")),
        ("a signed header", |request| {
            request.headers_mut().insert("x-amz-target", HeaderValue::from_static("A.C"));
        }),
        ("the body", |request| *request.body_mut() = Bytes::from_static(b"{|")),
        ("the date", |request| {
            let date = request.headers()["x-amz-date"].to_str().unwrap().to_owned();
            let other = if date.ends_with("0Z") {
                date.replace("0Z", "1Z")
            } else {
                format!("{}0Z", date.split_at(14).0)
            };
            request.headers_mut().insert("x-amz-date", other.parse().unwrap());
        }),
        ("the token", |request| {
            let mut token = request.headers()["x-amz-security-token"].as_bytes().to_vec();
            token[100] ^= 1;
            let token = HeaderValue::from_bytes(&token).unwrap();
            request.headers_mut().insert("x-amz-security-token", token);
        }),
    ];
    for service in ["execute-api", "s3"] {
        let scene = Scene::at(service).await;
        for (what, change) in changes {
            let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
            let send = service_fn(move |request: Request<Payload<Full<Bytes>>>| {
                let client = client.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let mut request = Request::from_parts(parts, body.collect().await.unwrap().to_bytes());
                    change(&mut request);
                    let answer = client.request(request.map(Full::new)).await?;
                    Ok::<_, BoxError>(answer.status())
                }
            });
            let stack = ServiceBuilder::new()
                .layer(ServiceCredentialsLayer::new(scene.keys()))
                .layer(scene.layer())
                .service(Transmit::dangerous_over(
                    ServiceBuilder::new().map_response(Response::new).service(send),
                ));
            let mut request = scene.post("/thing?a=1", Full::from("{}"));
            request.headers_mut().insert("x-amz-target", HeaderValue::from_static("A.B"));
            let status = stack.oneshot(plain(request)).await.unwrap().into_body();
            let expected = if what == "nothing" { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{service}: {what}");
        }
    }
}

fn replace(request: &mut Request<Bytes>, what: &str, with: &str) {
    *request.uri_mut() = request.uri().to_string().replace(what, with).parse().unwrap();
}

#[tokio::test]
async fn what_a_caller_sends_neither_passes_nor_signs() {
    let scene = Scene::at("execute-api").await;
    let (stack, _) = stack(&scene, scene.layer(), false);
    let mut request = scene.post("/", Full::from("{}"));
    for (name, value) in [
        ("authorization", "Bearer the-callers-own"),
        ("cookie", "session=1"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "theirs"),
        ("x-amz-target", "Admin.DropEverything"),
        ("x-amzn-bedrock-agentcore-runtime-user-id", "somebody-else"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("connection", "x-amz-date, content-type"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("accept", "*/*"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let attached = NoCaller::attach(request, &ForwardHeaders::default());
    assert_eq!(stack.oneshot(attached).await.unwrap(), StatusCode::OK);
    let seen = scene.server.oracle().seen().pop().unwrap();
    let mut names: Vec<&str> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "authorization", "content-length", "host", "x-amz-date", "x-amz-security-token"]
    );
    assert!(seen.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 "));
    assert_eq!(signed_names(&seen), ["host", "x-amz-date", "x-amz-security-token"]);
}

#[tokio::test]
async fn a_header_named_by_connection_is_neither_sent_nor_signed() {
    let scene = Scene::at("execute-api").await;
    let (stack, _) = stack(&scene, scene.layer().with_signed_headers(SignedHeaders::All), false);
    let mut request = scene.post("/", Full::from("{}"));
    for (name, value) in
        [("connection", "x-amz-date, X-Amz-Meta-Hop"), ("x-amz-meta-hop", "1"), ("x-amz-meta-stays", "2")]
    {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(stack.oneshot(plain(request)).await.unwrap(), StatusCode::OK);
    let seen = scene.server.oracle().seen().pop().unwrap();
    assert_eq!(seen.header("x-amz-meta-hop"), None);
    assert_eq!(signed_names(&seen), ["host", "x-amz-date", "x-amz-meta-stays", "x-amz-security-token"]);
}

#[tokio::test]
async fn a_redirect_is_handed_on_and_never_followed() {
    let elsewhere = Scene::at("execute-api").await;
    let target = format!("{}/stolen", elsewhere.server.url());
    let router = axum::Router::new().fallback(move || {
        std::future::ready((StatusCode::TEMPORARY_REDIRECT, [("location", target.clone())]))
    });
    let server = countersign_fixtures::http::Server::start(router).await;
    let (stack, left) = stack(&elsewhere, elsewhere.layer(), false);
    let request = Request::post(format!("{}/", server.url())).body(Full::from("{}")).unwrap();
    assert_eq!(stack.oneshot(plain(request)).await.unwrap(), StatusCode::TEMPORARY_REDIRECT);
    assert!(elsewhere.server.oracle().seen().is_empty());
    assert_eq!(left.lock().unwrap().len(), 1);
}

/// Line breaks cannot even get into a header's value or an address; what is left of the idea is refused.
#[test]
fn nothing_can_be_injected() {
    for text in ["a\r\nx-amz-acl: public-read", "a\nb", "a\0b"] {
        assert!(HeaderValue::from_str(text).is_err());
        assert!(format!("https://example.com/{text}").parse::<http::Uri>().is_err());
        assert!(SigningTarget::new(text, "eu-west-1").is_err());
        assert!(SigningTarget::new("s3", text).is_err());
        assert!(SigningTarget::of_host(&format!("sts.{text}.amazonaws.com")).is_err());
    }
    // What a token of somebody's making could smuggle in.
    let clock = countersign::clock::SystemClock;
    for token in ["token\r\nx-evil: 1", "to ken", ""] {
        let keys = countersign::sign::Keys::of_session("AKID", "secret".into(), token.to_owned().into());
        let signer = countersign::sign::Signer::new(SigningTarget::new("s3", "eu-west-1").unwrap());
        let mut request = Request::get("https://example.com/").body(()).unwrap();
        let now = countersign::clock::Clock::now(&clock);
        let signed = signer.sign(&mut request, countersign::sign::SignedPayload::Unsigned, &keys, now);
        match signed {
            Err(error) => assert_eq!(error.kind(), Kind::Unsignable),
            Ok(_) => assert!(!request.headers().contains_key("x-evil")),
        }
    }
}

#[tokio::test]
async fn a_hash_computed_before_stands_for_a_body_that_is_passed_on() {
    let scene = Scene::at("s3").await;
    type Pieces = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;
    let client: Client<_, Payload<Pieces>> = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .layer(ServiceCredentialsLayer::new(scene.keys()))
        .layer(scene.layer().with_precomputed_payload())
        .service(Transmit::new(client));
    let body = || -> Pieces {
        let frames = ["any", "thing"].map(|piece| Ok(Frame::data(Bytes::from(piece)))).into_iter();
        StreamBody::new(stream::iter(frames.collect::<Vec<_>>()))
    };

    let error = stack.clone().oneshot(plain(scene.post("/object", body()))).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), Kind::Unsignable);

    for (content, expected) in [("anything", StatusCode::OK), ("something", StatusCode::FORBIDDEN)] {
        let mut request = plain(scene.post("/object", body()));
        request.extensions_mut().insert(PayloadHash::of(content.as_bytes()));
        assert_eq!(stack.clone().oneshot(request).await.unwrap().status(), expected, "{content}");
    }
}
