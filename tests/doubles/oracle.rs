//! The SigV4 oracle and what a signer that nobody here wrote makes of it.

use aws_credential_types::Credentials as Keys;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    credentials::{Book, Credentials, Principal},
    fault::Fault,
    oracle::{Oracle, OracleServer, Protocol, Rule, Verdict, who_signed},
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use std::time::Duration;

const REGION: &str = "eu-west-1";
const ADMIN: &str = "arn:aws:iam::123456789012:role/McpAdmin";
const READER: &str = "arn:aws:iam::123456789012:role/McpReader";

#[tokio::test]
async fn a_signed_request_arrives_with_its_signer() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let answer = world.send(world.signed(&alice, "/tools?b=2&a=1", "hello")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json()["arn"],
        "arn:aws:sts::123456789012:assumed-role/McpAdmin/alice"
    );
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
    assert_eq!(
        request.header("x-amz-security-token"),
        alice.session_token.as_deref()
    );
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
        assert!(
            message.contains("The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n"),
            "{what}"
        );
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
        (
            "a user with a token",
            needless_token,
            "UnrecognizedClientException",
        ),
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
    assert!(
        answer.text().contains("Signature not yet current: "),
        "{}",
        answer.text()
    );
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
        (
            "execute-api",
            "us-east-1",
            "Credential should be scoped to a valid region, not 'us-east-1'.",
        ),
        (
            "lambda",
            REGION,
            "Credential should be scoped to correct service: 'execute-api'.",
        ),
    ] {
        let request = Signer::new(&world, service).region(region).sign(&alice, "/", "x");
        let answer = world.send(request).await;
        assert_eq!(answer.error_type(), "InvalidSignatureException");
        assert_eq!(answer.json()["message"], message);
    }
}

#[tokio::test]
async fn the_same_bytes_are_signed_on_both_sides() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    for target in [
        "/",
        "//",
        "/a//b/",
        "/a/./b",
        "/a/b/../c",
        "/arn%3Aaws%3Alambda%3Aeu-west-1/x",
        "/a%20b/%E1%88%B4",
        "/a%2Fb",
        "/~user/-._",
        "/plus+sign/*star/eq=/at@/colon:/semi;/bang!/quote'/paren()",
        "/?",
        "/?flag",
        "/?flag=",
        "/?b=2&a=1",
        "/?a=2&a=1&a=10",
        "/?a1=x&a=y&a-=z&A=w",
        "/?q=a%20b+c%2Bd",
        "/?q=%E1%88%B4&slash=a/b&eq=x%3Dy",
        "/?q=*!'()~-._",
        "/?%C3%A4=1&z=&Z",
    ] {
        let answer = world.send(world.signed(&alice, target, "body")).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text());
        assert_eq!(answer.json()["uri"], target);
    }
}

#[tokio::test]
async fn header_values_are_folded_and_repeated_ones_joined() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let answer = world
        .send(
            Signer::new(&world, "execute-api").sign_with(&alice, "/", "", |headers| {
                for (name, value) in [
                    ("x-amz-meta-list", "c"),
                    ("x-amz-meta-list", "a"),
                    ("x-amz-meta-list", "b"),
                    ("my-header1", "  a   b   c  "),
                    ("my-header2", "\"a   b   c\""),
                    ("my-header3", "a\tb"),
                    ("my-empty", ""),
                ] {
                    headers.append(name, value.parse().unwrap());
                }
            }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = world.server.oracle().seen();
    let values: Vec<_> = seen[0].headers.get_all("x-amz-meta-list").iter().collect();
    assert_eq!(values, ["c", "a", "b"]);
}

#[tokio::test]
async fn s3_encodes_once_and_keeps_dots() {
    let world = World::of("s3").await;
    let alice = world.session(ADMIN, "alice");
    for target in [
        "/bucket/a%20b/c",
        "/bucket/a//b",
        "/bucket/../x",
        "/bucket/%E1%88%B4?list-type=2&prefix=a%2Fb",
    ] {
        let request = Signer::new(&world, "s3").sign(&alice, target, "body");
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text());

        let mut settings = s3();
        settings.percent_encoding_mode = PercentEncodingMode::Double;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        let request = Signer::new(&world, "s3")
            .settings(settings)
            .sign(&alice, target, "body");
        let answer = world.send(request).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{target} as for another service"
        );
    }
    let request = Signer::new(&world, "s3")
        .settings(SigningSettings::default())
        .sign(&alice, "/bucket", "");
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text().contains("x-amz-content-sha256"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn roles_do_what_their_list_allows() {
    let book = Book::new(Clock::default());
    let oracle = Oracle::new(book, "execute-api", REGION)
        .allowing(ADMIN, Rule::anything())
        .allowing(
            READER,
            Rule::paths(["/mcp"]).and(Rule::tools(["list_*", "read_file"])),
        )
        .allowing(
            READER,
            Rule::methods([Method::GET]).and(Rule::paths(["/health/*"])),
        );
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
        (
            &reader,
            "/mcp",
            call("write_file").to_string(),
            StatusCode::FORBIDDEN,
        ),
        (&reader, "/mcp", batch, StatusCode::FORBIDDEN),
        (&reader, "/other", list.clone(), StatusCode::FORBIDDEN),
        (&reader, "/health/live", String::new(), StatusCode::FORBIDDEN),
        (&stranger, "/mcp", list, StatusCode::FORBIDDEN),
    ] {
        let answer = world.send(world.signed(credentials, path, &body)).await;
        assert_eq!(
            answer.status, status,
            "{} {path} {body}",
            credentials.principal.arn
        );
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
                (
                    "com.amazon.coral.service#MissingAuthenticationTokenException",
                    400,
                ),
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
    let request = Signer::new(&world, "s3")
        .region("us-east-1")
        .sign(&alice, "/b", "");
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer
            .text()
            .contains("<Code>AuthorizationHeaderMalformed</Code>")
    );
    assert!(
        answer
            .text()
            .contains("the region &apos;us-east-1&apos; is wrong; expecting &apos;eu-west-1&apos;")
    );
    assert!(answer.text().contains("<Region>eu-west-1</Region>"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let oracle = Oracle::new(Book::new(Clock::default()), "lambda", REGION).with_body_limit(4);
    let world = World::behind(oracle).await;
    let alice = world.session(ADMIN, "alice");
    assert_eq!(
        world.send(world.signed(&alice, "/", "four")).await.status,
        StatusCode::OK
    );
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
    assert_eq!(
        world.send(world.signed(&alice, "/x", "")).await.status,
        StatusCode::OK
    );

    world.server.faults().add("/x", Fault::Reset, None);
    assert!(world.try_send(world.signed(&alice, "/x", "")).await.is_err());
    let answer = world
        .send(unsigned(Method::DELETE, "/_faults", String::new()))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.send(world.signed(&alice, "/x", "")).await.status,
        StatusCode::OK
    );

    let answer = world.send(unsigned(Method::GET, "/_seen", String::new())).await;
    assert_eq!(answer.json()[0]["verdict"], "admitted");
    assert_eq!(answer.json()[0]["principal"], json!(alice.principal.arn));
    world
        .send(unsigned(Method::DELETE, "/_seen", String::new()))
        .await;
    assert!(world.server.oracle().seen().is_empty());
}

/// Missing, malformed, unknown, expired, skewed, changed, not allowed.
fn troubles(world: &World) -> [Request<Bytes>; 7] {
    let service = world.service();
    let alice = world.session(ADMIN, "alice");
    let late = world
        .book()
        .issue_session(alice.principal.clone(), world.book().clock().now());
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
    [
        missing,
        malformed,
        sign(&unknown),
        sign(&late),
        skewed,
        changed,
        sign(&stranger),
    ]
}

fn replace_in_uri(request: &mut Request<Bytes>, from: &str, to: &str) {
    *request.uri_mut() = request.uri().to_string().replace(from, to).parse().unwrap();
}

/// An oracle on a port, and a client that sends exactly what it is given.
struct World {
    server: OracleServer,
    service: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl World {
    async fn of(service: &str) -> Self {
        let book = Book::new(Clock::default());
        Self::behind(Oracle::new(book, service, REGION)).await
    }

    async fn behind(oracle: Oracle) -> Self {
        Self {
            service: oracle.service().to_owned(),
            server: OracleServer::start(oracle, who_signed()).await,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    fn service(&self) -> &str {
        &self.service
    }

    fn book(&self) -> &Book {
        self.server.oracle().book()
    }

    /// An hour as `role`.
    fn session(&self, role: &str, name: &str) -> Credentials {
        let role_name = role.rsplit('/').next().unwrap();
        let principal = Principal {
            arn: format!("arn:aws:sts::123456789012:assumed-role/{role_name}/{name}"),
            role: Some(role.to_owned()),
            user_id: format!("AROAEXAMPLE:{name}"),
            account: "123456789012".to_owned(),
            session_name: Some(name.to_owned()),
            source_identity: None,
            tags: [].into(),
            transitive_tag_keys: Vec::new(),
            session_policy: None,
            session_policy_arns: Vec::new(),
        };
        let expires = self.book().clock().now() + Duration::from_secs(3600);
        self.book().issue_session(principal, expires)
    }

    fn signed(&self, credentials: &Credentials, target: &str, body: &str) -> Request<Bytes> {
        Signer::new(self, &self.service).sign(credentials, target, body)
    }

    async fn send(&self, request: Request<Bytes>) -> Answer {
        self.try_send(request).await.expect("the oracle answers")
    }

    async fn try_send(&self, request: Request<Bytes>) -> Result<Answer, hyper_util::client::legacy::Error> {
        let (parts, body) = self.client.request(request.map(Full::new)).await?.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("the body is whole").to_bytes(),
        })
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    fn error_type(&self) -> &str {
        self.headers["x-amzn-errortype"].to_str().unwrap()
    }

    fn code(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Json | Protocol::AwsJson => self.json()["__type"].as_str().unwrap().to_owned(),
            Protocol::Query | Protocol::S3 => {
                let (_, rest) = self.text().split_once("<Code>").unwrap();
                rest.split_once("</Code>").unwrap().0.to_owned()
            }
        }
    }
}

/// `aws-sigv4`, set up for one service as an AWS SDK would.
struct Signer<'a> {
    world: &'a World,
    service: &'a str,
    region: &'a str,
    settings: SigningSettings,
}

impl<'a> Signer<'a> {
    fn new(world: &'a World, service: &'a str) -> Self {
        Self {
            world,
            service,
            region: REGION,
            settings: if service == "s3" {
                s3()
            } else {
                SigningSettings::default()
            },
        }
    }

    fn region(mut self, region: &'a str) -> Self {
        self.region = region;
        self
    }

    fn settings(mut self, settings: SigningSettings) -> Self {
        self.settings = settings;
        self
    }

    fn sign(self, credentials: &Credentials, target: &str, body: &str) -> Request<Bytes> {
        self.sign_with(credentials, target, body, |_| {})
    }

    fn sign_with(
        self,
        credentials: &Credentials,
        target: &str,
        body: &str,
        prepare: impl FnOnce(&mut HeaderMap),
    ) -> Request<Bytes> {
        let mut request = Request::post(format!("{}{target}", self.world.server.url()))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        prepare(request.headers_mut());
        let identity = Keys::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "test",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.world.book().clock().now())
            .settings(self.settings)
            .build()
            .unwrap()
            .into();
        let uri = request.uri().to_string();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new("POST", uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }
}

fn s3() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}
