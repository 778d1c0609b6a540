//! s3s-fs, an S3 server that checks signatures with code of its own, over HTTP.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use bytes::Bytes;
use countersign::{
    clock::{Clock, SystemClock},
    sign::{Engine, Keys, SignedPayload, Signer, SigningTarget},
};
use countersign_tests::{client::Plain, peers, process::Counterpart};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

struct S3 {
    url: String,
    signer: Signer,
    keys: Keys,
    client: Plain,
    _server: Counterpart,
    _folder: TempDir,
}

impl S3 {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(peers::s3s());
        command
            .args(["--host", "127.0.0.1", "--port", "0", "--access-key", ID, "--secret-key", SECRET])
            .arg(folder.path())
            .env("RUST_LOG", "s3s_fs=info")
            .env("NO_COLOR", "1");
        let mut server = Counterpart::start(&mut command);
        let told = server.wait_for("server is running at ").await;
        let url = told.split(',').next().unwrap().trim().to_owned();
        Self {
            url,
            signer: Signer::new(SigningTarget::new("s3", "us-east-1").unwrap()),
            keys: Keys::new(ID, SECRET.into()),
            client: Plain::default(),
            _server: server,
            _folder: folder,
        }
    }

    async fn ask(&self, method: Method, target: &str, body: &'static [u8]) -> (StatusCode, Bytes) {
        let payload = SignedPayload::Bytes(body);
        let mut request = self.request(method, target, body);
        let engine = self.signer.sign(&mut request, payload, &self.keys, SystemClock.now()).unwrap();
        assert_eq!(engine, Engine::Prepared, "{target}");
        self.send(request).await
    }

    fn request(&self, method: Method, target: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
        let body = Full::from(Bytes::from_static(body));
        Request::builder().method(method).uri(format!("{}{target}", self.url)).body(body).unwrap()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
        let answer = self.client.send(request).await.unwrap();
        (answer.status, answer.body)
    }
}

#[tokio::test]
async fn objects_of_any_name_are_put_and_got() {
    let s3 = S3::start().await;
    assert_eq!(s3.ask(Method::PUT, "/bucket", b"").await.0, 200);
    for key in [
        "plain.txt",
        "with%20space",
        "a+b:c=d@e,f;g",
        "caf%C3%A9/%E6%97%A5",
        "enc%2Bplus%3D",
        "par(en)'s!*",
        "tilde~_.-",
    ] {
        let target = format!("/bucket/{key}");
        // Three times, so that a form that was kept is used too.
        for content in [&b"one"[..], b"two", b"three"] {
            let (status, text) = s3.ask(Method::PUT, &target, content).await;
            assert_eq!(status, 200, "{key}: {}", String::from_utf8_lossy(&text));
            assert_eq!(
                s3.ask(Method::GET, &target, b"").await,
                (StatusCode::OK, Bytes::from_static(content))
            );
        }
    }
    for query in
        ["?list-type=2&prefix=caf%C3%A9%2F", "?prefix=a&list-type=2", "?list-type=2&delimiter=%2F&prefix="]
    {
        assert_eq!(s3.ask(Method::GET, &format!("/bucket{query}"), b"").await.0, 200, "{query}");
    }
}

#[tokio::test]
async fn an_unsigned_payload_and_a_presigned_address_are_accepted() {
    let s3 = S3::start().await;
    assert_eq!(s3.ask(Method::PUT, "/bucket", b"").await.0, 200);
    let now = SystemClock.now();

    let mut request = s3.request(Method::PUT, "/bucket/unsigned", b"whatever");
    s3.signer.sign(&mut request, SignedPayload::Unsigned, &s3.keys, now).unwrap();
    assert_eq!(s3.send(request).await.0, 200);

    let request = s3.request(Method::GET, "/bucket/unsigned", b"");
    let hour = Duration::from_secs(3600);
    let address = s3.signer.presign(&request, SignedPayload::Unsigned, &s3.keys, now, hour).unwrap();
    let presigned = Request::get(address.clone()).body(Full::default()).unwrap();
    assert_eq!(s3.send(presigned).await, (StatusCode::OK, Bytes::from_static(b"whatever")));
    let other = address.to_string().replace("/unsigned?", "/other?");
    assert_eq!(s3.send(Request::get(other).body(Full::default()).unwrap()).await.0, 403);
}

#[tokio::test]
async fn one_changed_bit_is_refused() {
    let s3 = S3::start().await;
    assert_eq!(s3.ask(Method::PUT, "/bucket", b"").await.0, 200);
    type Change = fn(&mut Request<Full<Bytes>>);
    let changes: [(&str, Change); 5] = [
        ("the body", |request| *request.body_mut() = Full::from("contenu")),
        ("the path", |request| {
            *request.uri_mut() = request.uri().to_string().replace("/key", "/kex").parse().unwrap();
        }),
        ("the query", |request| {
            *request.uri_mut() = format!("{}?x=1", request.uri()).parse().unwrap();
        }),
        ("a header", |request| {
            request.headers_mut().insert("x-amz-meta-note", http::HeaderValue::from_static("b"));
        }),
        ("the date", |request| {
            let date = request.headers()["x-amz-date"].to_str().unwrap().to_owned();
            let other = format!("{}{}Z", date.split_at(14).0, if date.ends_with("1Z") { 2 } else { 1 });
            request.headers_mut().insert("x-amz-date", other.parse().unwrap());
        }),
    ];
    for (what, change) in changes {
        let mut request = s3.request(Method::PUT, "/bucket/key", b"content");
        request.headers_mut().insert("x-amz-meta-note", http::HeaderValue::from_static("a"));
        let payload = SignedPayload::Bytes(b"content");
        s3.signer.sign(&mut request, payload, &s3.keys, SystemClock.now()).unwrap();
        change(&mut request);
        let (status, text) = s3.send(request).await;
        // A payload of another hash breaks off while it is read, which it has no code for.
        let expected = if what == "the body" { 500 } else { 403 };
        assert_eq!(status, expected, "{what}: {}", String::from_utf8_lossy(&text));
        assert_eq!(s3.ask(Method::GET, "/bucket/key", b"").await.0, 404, "{what}: nothing is stored");
    }
}
