//! moto's STS and ours answer the same calls in the same shapes.
#![allow(
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "these are the parts of tests, and a call of the SDK is as large as it is"
)]

use aws_sdk_sts::{
    Client,
    config::{self, BehaviorVersion, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{AssumedRoleUser, Credentials},
};
use axum::{Json, Router, routing::get};
use countersign_fixtures::{
    clock::Clock,
    credentials::Book,
    http::Server,
    keys::{Algorithm, SigningKey},
    sts::{Provider, Role, Sts},
};
use countersign_tests::{peers, process::Counterpart};
use serde_json::json;
use std::{collections::BTreeMap, net::Ipv4Addr};
use tokio::process::Command;

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/team/McpAdmin";
const DURATION: i32 = 1800;

/// Where they differ, and why that is moto's affair: field, moto, ours.
const EXCEPTIONS: [(&str, &str, &str); 11] = [
    // Always 6 percent, also where neither policy nor tag was sent.
    ("AssumeRole PackedPolicySize", "present", "absent"),
    ("AssumeRoleWithWebIdentity PackedPolicySize", "present", "absent"),
    // It does not know what AWS has added in June 2026.
    ("AssumeRole SessionTokenSize", "absent", "present"),
    ("AssumeRole SessionTokenUtilization", "absent", "present"),
    ("AssumeRoleWithWebIdentity SessionTokenSize", "absent", "present"),
    ("AssumeRoleWithWebIdentity SessionTokenUtilization", "absent", "present"),
    // It never looks at the parameter.
    ("AssumeRole SourceIdentity", "absent", "alice"),
    // It never looks into the token.
    ("AssumeRoleWithWebIdentity Audience", "absent", "sts.amazonaws.com"),
    ("AssumeRoleWithWebIdentity Provider", "absent", "present"),
    ("AssumeRoleWithWebIdentity Subject", "absent", "alice"),
    // A constant of the documentation instead of a role's id.
    ("AssumeRoleWithWebIdentity AssumedRoleId", "ARO1, 12 more, :alice", "AROA, 17 more, :alice"),
];

/// What was answered: values that must agree as they are, others by their form.
type Shape = BTreeMap<String, String>;

#[tokio::test]
async fn the_same_calls_have_the_same_shapes() {
    let mut moto = Counterpart::start(
        Command::new(peers::python("moto"))
            .arg("-I")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/moto.py")),
    );
    let url = moto.wait_for("moto is at ").await;
    let anybody = config::Credentials::new("AKIAIOSFODNN7EXAMPLE", "x".repeat(40), None, None, "moto");

    let (issuer, token) = issuer().await;
    let sts = ours(&issuer).await;
    let user = sts.book().issue_user(ACCOUNT, "server");
    let user = config::Credentials::new(user.access_key_id, user.secret_access_key, None, None, "the book");

    let theirs = shapes(&url, anybody, &token).await;
    let ours = shapes(&sts.url(), user, &token).await;
    let mut differences = Vec::new();
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    for (field, theirs) in &theirs {
        let ours = &ours[field];
        if theirs != ours {
            differences.push((field.as_str(), theirs.as_str(), ours.as_str()));
        }
    }
    let mut exceptions = EXCEPTIONS.to_vec();
    exceptions.sort_unstable();
    assert_eq!(differences, exceptions);
}

/// Asks the STS at `url` everything.
async fn shapes(url: &str, user: config::Credentials, token: &str) -> Shape {
    let mut shape = Shape::new();
    let asked = Clock::default().unix();
    let anonymous = Client::from_conf(config(url).allow_no_auth().build());
    let answer = anonymous
        .assume_role_with_web_identity()
        .role_arn(ROLE)
        .role_session_name("alice")
        .duration_seconds(DURATION)
        .web_identity_token(token)
        .send()
        .await
        .unwrap();
    #[expect(deprecated, reason = "AWS still answers with it, and clients still read it")]
    let packed = answer.packed_policy_size();
    let mut note = |field: &str, form: String| {
        shape.insert(format!("AssumeRoleWithWebIdentity {field}"), form);
    };
    session(&mut note, answer.credentials(), answer.assumed_role_user(), asked);
    note("PackedPolicySize", presence(packed));
    note("SessionTokenSize", presence(answer.session_token_size()));
    note("SessionTokenUtilization", presence(answer.session_token_utilization()));
    note("Provider", presence(answer.provider()));
    note("Audience", text(answer.audience()));
    note("Subject", text(answer.subject_from_web_identity_token()));
    note("SourceIdentity", text(answer.source_identity()));

    let signing = Client::from_conf(config(url).credentials_provider(user).build());
    let call = || {
        signing
            .assume_role()
            .role_arn(ROLE)
            .role_session_name("alice")
            .source_identity("alice")
            .duration_seconds(DURATION)
    };
    let answer = call().send().await.unwrap();
    #[expect(deprecated, reason = "AWS still answers with it, and clients still read it")]
    let packed = answer.packed_policy_size();
    let mut note = |field: &str, form: String| {
        shape.insert(format!("AssumeRole {field}"), form);
    };
    session(&mut note, answer.credentials(), answer.assumed_role_user(), asked);
    note("PackedPolicySize", presence(packed));
    note("SessionTokenSize", presence(answer.session_token_size()));
    note("SessionTokenUtilization", presence(answer.session_token_utilization()));
    note("SourceIdentity", text(answer.source_identity()));
    note("RequestId", presence(aws_sdk_sts::operation::RequestId::request_id(&answer)));
    note("with a long name", refusal(&call().role_session_name("a".repeat(65)).send().await));

    let issued = answer.credentials().unwrap();
    let credentials = config::Credentials::new(
        issued.access_key_id(),
        issued.secret_access_key(),
        Some(issued.session_token().to_owned()),
        None,
        "issued",
    );
    let chained = Client::from_conf(config(url).credentials_provider(credentials).build());
    let answer = chained.get_caller_identity().send().await.unwrap();
    let mut note = |field: &str, form: String| {
        shape.insert(format!("GetCallerIdentity {field}"), form);
    };
    note("Arn", text(answer.arn()));
    note("Account", text(answer.account()));
    note("UserId", role_id(answer.user_id().unwrap()));
    shape
}

fn session(
    note: &mut impl FnMut(&str, String),
    credentials: Option<&Credentials>,
    user: Option<&AssumedRoleUser>,
    asked: i64,
) {
    let (credentials, user) = (credentials.unwrap(), user.unwrap());
    note("AccessKeyId", identifier(credentials.access_key_id()));
    note("SecretAccessKey", format!("{} characters", credentials.secret_access_key().len()));
    // AWS promises nothing about its length.
    note("SessionToken", presence(Some(credentials.session_token()).filter(|t| !t.is_empty())));
    let late = credentials.expiration().secs() - asked - i64::from(DURATION);
    note("Expiration", format!("as asked: {}", (0..60).contains(&late)));
    note("Arn", user.arn().to_owned());
    note("AssumedRoleId", role_id(user.assumed_role_id()));
}

fn presence<T>(value: Option<T>) -> String {
    value.map_or("absent", |_| "present").to_owned()
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or("absent").to_owned()
}

/// The prefix that tells what kind of thing an id names, and how long the rest is.
fn identifier(id: &str) -> String {
    let (kind, rest) = id.split_at(4);
    let sort = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    match rest.chars().all(sort) {
        true => format!("{kind}, {} more", rest.len()),
        false => id.to_owned(),
    }
}

fn role_id(id: &str) -> String {
    let (role, session) = id.split_once(':').unwrap();
    format!("{}, :{session}", identifier(role))
}

fn refusal<T, E: ProvideErrorMetadata>(result: &Result<T, SdkError<E>>) -> String {
    let Err(error) = result else {
        return "ok".to_owned();
    };
    let status = error.raw_response().unwrap().status();
    format!("{} {}", status.as_u16(), error.code().unwrap_or_default())
}

fn config(url: &str) -> config::Builder {
    config::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
}

/// An issuer with one key, and a token of alice's.
async fn issuer() -> (Server, String) {
    let key = SigningKey::generate(Algorithm::RS256, "key");
    let bound = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
    let url = bound.url();
    let now = Clock::default().unix();
    let token = key.jwt(
        &json!({"alg": "RS256", "kid": "key"}),
        &json!({"iss": url, "sub": "alice", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 300}),
    );
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
    let keys = json!({"keys": [key.public_jwk()]});
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(discovery)))
        .route("/jwks", get(async || Json(keys)));
    (bound.serve(router), token)
}

async fn ours(issuer: &Server) -> Sts {
    let sts = Sts::start(Book::new(Clock::default())).await;
    let provider = Provider::new(ACCOUNT, issuer.url()).client("sts.amazonaws.com");
    sts.add_provider(provider).unwrap();
    let role = Role::new(ROLE).trusting(json!({"Version": "2012-10-17", "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", issuer.address())},
            "Action": "sts:AssumeRoleWithWebIdentity"
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT},
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]
        },
    ]}));
    sts.add_role(role).unwrap();
    sts
}
