//! What is refused though it was signed, and in which words.
#![allow(clippy::unwrap_used, reason = "what a suite prepares is right, or the suite has failed")]

use super::world::{ADMIN, READER, REGION, Signer, World};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    credentials::Book,
    fault::Fault,
    oracle::{Oracle, Protocol, Rule, Verdict},
};
use http::{Method, Request, StatusCode};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn roles_do_what_their_list_allows() {
    let book = Book::new(Clock::default());
    let oracle = Oracle::new(book, "execute-api", REGION)
        .allowing(ADMIN, Rule::anything())
        .allowing(READER, Rule::paths(["/mcp"]).and(Rule::tools(["list_*", "read_file"])))
        .allowing(READER, Rule::methods([Method::GET]).and(Rule::paths(["/health/*"])));
    let world = World::behind(oracle).await;
    let admin = world.session(ADMIN, "alice");
    let reader = world.session(READER, "bob");
    let stranger = world.session("arn:aws:iam::123456789012:role/Other", "carol");
    let call =
        |tool: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}});
    let batch = json!([call("list_files"), call("write_file")]).to_string();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for (credentials, path, body, status) in [
        (&admin, "/mcp", call("write_file").to_string(), StatusCode::OK),
        (&reader, "/mcp", list.clone(), StatusCode::OK),
        (&reader, "/mcp", call("list_files").to_string(), StatusCode::OK),
        (&reader, "/mcp", call("read_file").to_string(), StatusCode::OK),
        (&reader, "/mcp", call("write_file").to_string(), StatusCode::FORBIDDEN),
        (&reader, "/mcp", batch, StatusCode::FORBIDDEN),
        (&reader, "/other", list.clone(), StatusCode::FORBIDDEN),
        (&reader, "/health/live", String::new(), StatusCode::FORBIDDEN),
        (&stranger, "/mcp", list, StatusCode::FORBIDDEN),
    ] {
        let answer = world.send(world.signed(credentials, path, &body)).await;
        assert_eq!(answer.status, status, "{} {path} {body}", credentials.principal.arn);
        if status == StatusCode::FORBIDDEN {
            assert_eq!(answer.error_type(), "AccessDeniedException");
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            let start = format!(
                "User: {} is not authorized to perform: execute-api:Invoke on resource: \
                 arn:aws:execute-api:eu-west-1:123456789012:POST{path}",
                credentials.principal.arn
            );
            assert!(message.starts_with(&start), "{message}");
        }
    }
    let last = world.server.oracle().seen().pop().unwrap();
    assert_eq!(last.verdict, Verdict::NotAllowed(stranger.principal));
}

#[tokio::test]
async fn each_protocol_has_its_own_words() {
    for (protocol, service, expected) in [
        (
            Protocol::Json,
            "lambda",
            [
                ("MissingAuthenticationTokenException", 403),
                ("IncompleteSignatureException", 400),
                ("UnrecognizedClientException", 403),
                ("ExpiredTokenException", 403),
                ("InvalidSignatureException", 403),
                ("InvalidSignatureException", 403),
                ("AccessDeniedException", 403),
            ],
        ),
        (
            Protocol::AwsJson,
            "dynamodb",
            [
                ("com.amazon.coral.service#MissingAuthenticationTokenException", 400),
                ("com.amazon.coral.service#IncompleteSignatureException", 400),
                ("com.amazon.coral.service#UnrecognizedClientException", 400),
                ("com.amazon.coral.service#ExpiredTokenException", 400),
                ("com.amazon.coral.service#InvalidSignatureException", 400),
                ("com.amazon.coral.service#InvalidSignatureException", 400),
                ("com.amazon.coral.service#AccessDeniedException", 400),
            ],
        ),
        (
            Protocol::Query,
            "sqs",
            [
                ("MissingAuthenticationToken", 403),
                ("IncompleteSignature", 400),
                ("InvalidClientTokenId", 403),
                ("ExpiredToken", 403),
                ("SignatureDoesNotMatch", 403),
                ("SignatureDoesNotMatch", 403),
                ("AccessDenied", 403),
            ],
        ),
        (
            Protocol::S3,
            "s3",
            [
                ("AccessDenied", 403),
                ("AuthorizationHeaderMalformed", 400),
                ("InvalidAccessKeyId", 403),
                ("ExpiredToken", 400),
                ("RequestTimeTooSkewed", 403),
                ("SignatureDoesNotMatch", 403),
                ("AccessDenied", 403),
            ],
        ),
    ] {
        let oracle = Oracle::new(Book::new(Clock::default()), service, REGION)
            .speaking(protocol)
            .allowing(ADMIN, Rule::anything());
        let world = World::behind(oracle).await;
        let mut answers = Vec::new();
        for request in troubles(&world) {
            let answer = world.send(request).await;
            answers.push((answer.code(protocol), answer.status.as_u16()));
        }
        let expected = expected.map(|(code, status)| (code.to_owned(), status));
        assert_eq!(answers, expected, "{protocol:?}");
    }
}

#[tokio::test]
async fn s3_says_which_region_it_expects() {
    let world = World::of("s3").await;
    let alice = world.session(ADMIN, "alice");
    let request = Signer::new(&world, "s3").region("us-east-1").sign(&alice, "/b", "");
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("<Code>AuthorizationHeaderMalformed</Code>"));
    assert!(
        answer.text().contains("the region &apos;us-east-1&apos; is wrong; expecting &apos;eu-west-1&apos;")
    );
    assert!(answer.text().contains("<Region>eu-west-1</Region>"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let oracle = Oracle::new(Book::new(Clock::default()), "lambda", REGION).with_body_limit(4);
    let world = World::behind(oracle).await;
    let alice = world.session(ADMIN, "alice");
    assert_eq!(world.send(world.signed(&alice, "/", "four")).await.status, StatusCode::OK);
    let answer = world.send(world.signed(&alice, "/", "fives")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.server.oracle().seen()[1].verdict, Verdict::Unreadable);
}

#[tokio::test]
async fn faults_come_before_signatures_and_control_paths_are_for_curl() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let order = json!({"path": "/x", "fault": {"status": 503}, "times": 1}).to_string();
    let unsigned = |method: Method, path: &str, body: String| {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", world.server.url()))
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .unwrap()
    };
    let answer = world.send(unsigned(Method::POST, "/_faults", order)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let answer = world.send(world.signed(&alice, "/x", "")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.server.oracle().seen().is_empty());
    assert_eq!(world.send(world.signed(&alice, "/x", "")).await.status, StatusCode::OK);

    world.server.faults().add("/x", Fault::Reset, None);
    assert!(world.try_send(world.signed(&alice, "/x", "")).await.is_err());
    let answer = world.send(unsigned(Method::DELETE, "/_faults", String::new())).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(world.send(world.signed(&alice, "/x", "")).await.status, StatusCode::OK);

    let answer = world.send(unsigned(Method::GET, "/_seen", String::new())).await;
    assert_eq!(answer.json()[0]["verdict"], "admitted");
    assert_eq!(answer.json()[0]["principal"], json!(alice.principal.arn));
    world.send(unsigned(Method::DELETE, "/_seen", String::new())).await;
    assert!(world.server.oracle().seen().is_empty());
}

/// Missing, malformed, unknown, expired, skewed, changed, not allowed.
fn troubles(world: &World) -> [Request<Bytes>; 7] {
    let service = world.service();
    let alice = world.session(ADMIN, "alice");
    let late = world.book().issue_session(alice.principal.clone(), world.book().clock().now());
    let stranger = world.session(READER, "bob");
    let unknown = Book::new(Clock::default()).issue_user("123456789012", "mallory");
    let sign = |credentials| Signer::new(world, service).sign(credentials, "/x", "body");
    let mut missing = sign(&alice);
    missing.headers_mut().remove("authorization");
    let mut malformed = sign(&alice);
    let value = "AWS4-HMAC-SHA256 Credential=AKIA/x".parse().unwrap();
    malformed.headers_mut().insert("authorization", value);
    let mut changed = sign(&alice);
    *changed.body_mut() = Bytes::from_static(b"bodz");
    world.book().clock().rewind(Duration::from_secs(600));
    let skewed = sign(&alice);
    world.book().clock().advance(Duration::from_secs(600));
    [missing, malformed, sign(&unknown), sign(&late), skewed, changed, sign(&stranger)]
}
