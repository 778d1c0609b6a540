//! On whose behalf a runtime is called: only what was verified says so.

use super::{ROLE, kind};
use bytes::Bytes;
use countersign::{
    BoxError, Kind,
    identity::{TrustIdentityLayer, TrustedIdentity},
    outgoing::Payload,
    proof::{Authenticated, Carry},
    sign::{AgentRuntime, AgentUserLayer, SignRequestLayer},
    sts::{ServiceCredentialsLayer, StaticKeys},
    transmit::Transmit,
};
use countersign_fixtures::{
    clock::Clock,
    credentials::Book,
    oracle::{Oracle, OracleServer, who_signed},
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Map, Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const ARN: &str = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/warehouse-a1b2c3d4e5";
const USER: &str = "x-amzn-bedrock-agentcore-runtime-user-id";

async fn caller(subject: &str, claims: Value) -> Authenticated {
    let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
    let identity = TrustedIdentity::new("https://login.example.com", subject).with_claims(claims);
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().into_parts().0)
    });
    let trusted = TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone()));
    ServiceBuilder::new().layer(trusted).service(proof).oneshot(Request::new(())).await.unwrap()
}

/// What the runtime was told, and whether it believed the signature.
async fn called(layer: AgentUserLayer, caller: &Authenticated) -> Result<Option<String>, BoxError> {
    let book = Book::new(Clock::default());
    let credentials = book.issue_hour_in(ROLE, "alice");
    let server = OracleServer::start(Oracle::new(book, "bedrock-agentcore", "eu-west-1"), who_signed()).await;
    let runtime: AgentRuntime = ARN.parse().unwrap();
    let keys = StaticKeys::new(&credentials.access_key_id, credentials.secret_access_key.into())
        .with_session_token(credentials.session_token.unwrap().into());
    let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<hyper::body::Incoming>| response.status())
        .layer(layer)
        .layer(ServiceCredentialsLayer::new(keys))
        .layer(SignRequestLayer::new(runtime.target().clone()))
        .service(Transmit::new(client));
    let path = runtime.url().unwrap().path_and_query().unwrap().clone();
    let request = Request::post(format!("{}{path}", server.url()))
        .header(USER, "https://login.example.com|the-boss")
        .body(Full::from("{}"))
        .unwrap();
    let sent = stack.oneshot(caller.attach(request).unwrap()).await;
    let seen = server.oracle().seen();
    assert_eq!(seen.len(), usize::from(sent.is_ok()));
    let status = sent?;
    let seen = seen.first().unwrap();
    assert_eq!(status, StatusCode::OK, "{:?}", seen.verdict);
    assert!(seen.header("authorization").unwrap().contains(USER), "it is signed");
    assert_eq!(seen.uri.path_and_query(), Some(&path));
    Ok(seen.header(USER).map(str::to_owned))
}

#[tokio::test]
async fn it_is_the_verified_caller_whatever_the_client_says() {
    let caller = caller("alice", json!({"email": "alice@example.com", "level": 3})).await;
    let told = called(AgentUserLayer::new(), &caller).await.unwrap();
    assert_eq!(told.as_deref(), Some("https://login.example.com|alice"));
    let told = called(AgentUserLayer::new().with_claim("email"), &caller).await.unwrap();
    assert_eq!(told.as_deref(), Some("alice@example.com"));
}

#[tokio::test]
async fn what_no_header_can_hold_is_written_so_that_nobody_becomes_somebody_else() {
    for (subject, told) in [
        ("a b", "a%20b"),
        ("a%20b", "a%2520b"),
        ("j\u{fc}rgen", "j%C3%BCrgen"),
        ("x\r\nx-amz-target: y", "x%0D%0Ax-amz-target:%20y"),
    ] {
        let caller = caller(subject, json!({})).await;
        let name = called(AgentUserLayer::new(), &caller).await.unwrap();
        assert_eq!(name.as_deref(), Some(format!("https://login.example.com|{told}").as_str()));
    }
}

#[tokio::test]
async fn without_a_name_nothing_is_sent() {
    let long = "x".repeat(1_100);
    let caller = caller(&long, json!({"email": "", "level": 3})).await;
    for layer in [
        AgentUserLayer::new(),
        AgentUserLayer::new().with_claim("email"),
        AgentUserLayer::new().with_claim("level"),
        AgentUserLayer::new().with_claim("upn"),
    ] {
        assert_eq!(kind(&called(layer, &caller).await.unwrap_err()), Kind::Unattachable);
    }
}
