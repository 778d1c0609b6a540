//! By hand: the Query API and the control endpoints, as with curl.

use super::{ROLE, Scene, outcome};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

async fn send(scene: &Scene, method: Method, path: &str, json: Option<&Value>) -> Response<String> {
    let body = json.map(Value::to_string).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", scene.sts.url()))
        .body(Full::<Bytes>::from(body))
        .unwrap();
    if json.is_some() {
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_token_is_exchanged_with_a_plain_get() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    let call = format!(
        "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=alice&RoleArn={ROLE}\
         &WebIdentityToken="
    );
    let answer = send(&scene, Method::GET, &format!("{call}{token}"), None).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let id = answer.headers()["x-amzn-requestid"].to_str().unwrap();
    let xml = answer.body();
    assert!(xml.starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
         <AssumeRoleWithWebIdentityResult>\n"
    ));
    let places: Vec<usize> = [
        "<SubjectFromWebIdentityToken>alice<",
        "<Audience>sts.amazonaws.com<",
        "<AssumedRoleUser>",
        "<Arn>arn:aws:sts::123456789012:assumed-role/McpAdmin/alice<",
        "<AssumedRoleId>AROA",
        "<Credentials>",
        "<AccessKeyId>ASIA",
        "<SecretAccessKey>",
        "<SessionToken>",
        "<Expiration>20",
        "<Provider>arn:aws:iam::123456789012:oidc-provider/127.0.0.1:",
        "<ResponseMetadata>",
        &format!("<RequestId>{id}<"),
    ]
    .iter()
    .map(|element| xml.find(element).unwrap_or_else(|| panic!("{element} in {xml}")))
    .collect();
    assert!(places.is_sorted(), "{xml}");

    let answer = send(&scene, Method::GET, &format!("{call}{token}x"), None).await;
    assert_eq!(answer.status(), 400);
    assert!(answer.body().contains("<Code>InvalidIdentityToken</Code>"));
}

#[tokio::test]
async fn calls_that_are_no_calls() {
    let scene = Scene::new().await;
    for (path, status, code) in [
        ("/", 400, "MissingAction"),
        ("/?Action=GetCallerIdentity", 400, "InvalidAction"),
        ("/?Action=GetFederationToken&Version=2011-06-15", 400, "InvalidAction"),
        ("/?Action=GetCallerIdentity&Version=2011-06-15", 403, "MissingAuthenticationToken"),
        ("/?Action=AssumeRole&Version=2011-06-15", 403, "MissingAuthenticationToken"),
        ("/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15", 400, "ValidationError"),
    ] {
        let answer = send(&scene, Method::GET, path, None).await;
        let body = answer.body();
        assert_eq!(answer.status(), status, "{path}");
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{path}: {body}");
        assert!(body.contains("<Type>Sender</Type>"));
    }
    let answer = send(&scene, Method::POST, "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15", None);
    assert!(answer.await.body().contains("3 validation errors detected: "));
}

#[tokio::test]
async fn roles_faults_and_calls_over_http() {
    let scene = Scene::new().await;
    let role = |action: &str| {
        json!({"arn": ROLE, "trust_policy": {"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": scene.federated(), "Action": action
        }}})
    };
    let refused = send(&scene, Method::POST, "/_roles", Some(&role("s3:GetObject"))).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.body().contains("s3:GetObject"));
    let made = send(&scene, Method::POST, "/_roles", Some(&role("sts:AssumeRoleWithWebIdentity"))).await;
    assert_eq!(made.status(), 201);
    assert!(made.body().contains("AROA"));
    let provider = json!({
        "account": "210987654321", "issuer": scene.issuer.url(), "client_ids": ["sts.amazonaws.com"]
    });
    let made = send(&scene, Method::POST, "/_providers", Some(&provider)).await;
    assert_eq!(made.status(), 201);

    let faults = [
        (json!({"error": "AccessDenied"}), "AccessDenied"),
        (json!({"throttling": null}), "Throttling"),
        (json!({"throttling": 3}), "Throttling"),
    ];
    for (fault, code) in faults {
        let order = json!({"action": "AssumeRoleWithWebIdentity", "fault": fault, "times": 1});
        let answer = send(&scene, Method::POST, "/_faults", Some(&order)).await;
        assert_eq!(answer.status(), 204);
        let result = scene.exchange_claims(&scene.claims()).await;
        assert_eq!(outcome(&result).0, code);
    }
    for fault in
        [json!("reset"), json!("garbage"), json!("empty"), json!({"slow": 9}), json!({"status": 503})]
    {
        let order = json!({"action": "*", "fault": fault});
        let answer = send(&scene, Method::POST, "/_faults", Some(&order)).await;
        assert_eq!(answer.status(), 204, "{fault}");
    }
    let wrong = json!({"action": "*", "fault": {"error": "NoSuchCode"}});
    let answer = send(&scene, Method::POST, "/_faults", Some(&wrong)).await;
    assert_eq!(answer.status(), 422);
    send(&scene, Method::DELETE, "/_faults", None).await;
    scene.exchange_claims(&scene.claims()).await.unwrap();

    let calls = send(&scene, Method::GET, "/_calls", None).await;
    let calls: Vec<Value> = serde_json::from_str(calls.body()).unwrap();
    let outcomes: Vec<&str> = calls.iter().map(|call| call["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["AccessDenied", "Throttling", "Throttling", "ok"]);
    let last = calls.last().unwrap();
    assert!(last["issued"].as_str().unwrap().starts_with("ASIA"));
    assert!(!calls_mention_tokens(&calls));
}

fn calls_mention_tokens(calls: &[Value]) -> bool {
    serde_json::to_string(calls).unwrap().contains("eyJ")
}
