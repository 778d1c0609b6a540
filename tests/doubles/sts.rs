//! The STS double, as `aws-sdk-sts` sees it.
#![allow(
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "these are the parts of tests, and a call of the SDK is as large as it is"
)]

mod assume_role;
mod control;
mod faults;
mod trust;
mod web_identity;

use aws_sdk_sts::{
    Client,
    config::{self, BehaviorVersion, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::assume_role_with_web_identity::{
        AssumeRoleWithWebIdentityError, AssumeRoleWithWebIdentityOutput,
        builders::AssumeRoleWithWebIdentityFluentBuilder,
    },
};
use aws_smithy_async::time::TimeSource;
use axum::{Json, Router, routing::get};
use countersign_fixtures::{
    clock::Clock,
    credentials::{Book, Credentials},
    http::Server,
    keys::{Algorithm, SigningKey},
    sts::{Provider, Role, Sts},
};
use serde_json::{Value, json};
use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/team/McpAdmin";
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// An issuer, the STS that trusts it, and the time both go by.
struct Scene {
    clock: Clock,
    issuer: Issuer,
    sts: Sts,
}

impl Scene {
    async fn new() -> Self {
        let clock = Clock::default();
        let issuer = Issuer::start().await;
        let sts = Sts::start(Book::new(clock.clone())).await;
        let provider = Provider::new(ACCOUNT, issuer.url()).client("sts.amazonaws.com").client("mcp-client");
        sts.add_provider(provider).unwrap();
        Self { clock, issuer, sts }
    }

    /// A scene where everybody whom the issuer vouches for may become [`ROLE`].
    async fn trusting() -> Self {
        let scene = Self::new().await;
        scene.role(&[allow(&scene, &["AssumeRoleWithWebIdentity"], &json!({}))]);
        scene
    }

    /// Makes [`ROLE`] anew, with these statements in its trust policy.
    fn role(&self, statements: &[Value]) {
        let trust = json!({"Version": "2012-10-17", "Statement": statements});
        self.sts.add_role(Role::new(ROLE).trusting(trust)).unwrap();
    }

    fn federated(&self) -> Value {
        json!({"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", self.issuer.name())})
    }

    /// A condition key of the issuer.
    fn key(&self, claim: &str) -> String {
        format!("{}:{claim}", self.issuer.name())
    }

    /// Claims of a token that is good for five minutes.
    fn claims(&self) -> Value {
        let now = self.clock.unix();
        json!({
            "iss": self.issuer.url(),
            "sub": "alice",
            "aud": "sts.amazonaws.com",
            "iat": now,
            "exp": now + 300,
        })
    }

    /// A call that would succeed, to be changed and sent.
    fn exchange(&self, token: impl Into<String>) -> AssumeRoleWithWebIdentityFluentBuilder {
        self.anonymous()
            .assume_role_with_web_identity()
            .role_arn(ROLE)
            .role_session_name("alice@example.com")
            .web_identity_token(token)
    }

    async fn exchange_claims(&self, claims: &Value) -> Exchanged {
        self.exchange(self.issuer.token(claims)).send().await
    }

    fn anonymous(&self) -> Client {
        Client::from_conf(self.config().allow_no_auth().build())
    }

    /// A client that signs with what the book knows, at the scene's time.
    fn signing(&self, credentials: &Credentials) -> Client {
        let credentials = config::Credentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "the book",
        );
        Client::from_conf(self.config().credentials_provider(credentials).build())
    }

    fn config(&self) -> config::Builder {
        config::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(self.sts.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .time_source(SceneTime(self.clock.clone()))
    }
}

type Exchanged = Result<AssumeRoleWithWebIdentityOutput, SdkError<AssumeRoleWithWebIdentityError>>;

/// A statement that allows these actions of STS to the scene's issuer.
fn allow(scene: &Scene, actions: &[&str], condition: &Value) -> Value {
    let actions: Vec<String> = actions.iter().map(|action| format!("sts:{action}")).collect();
    json!({
        "Effect": "Allow",
        "Principal": scene.federated(),
        "Action": actions,
        "Condition": condition,
    })
}

#[expect(deprecated, reason = "AWS still answers with it, and clients still read it")]
fn packed_size(answer: &AssumeRoleWithWebIdentityOutput) -> Option<i32> {
    answer.packed_policy_size()
}

/// The error code and HTTP status of a refusal, `ok` of a success.
fn outcome<T, E: ProvideErrorMetadata>(result: &Result<T, SdkError<E>>) -> (String, u16) {
    match result {
        Ok(_) => ("ok".to_owned(), 200),
        Err(error) => (
            error.code().unwrap_or("(no code)").to_owned(),
            error.raw_response().map_or(0, |raw| raw.status().as_u16()),
        ),
    }
}

/// The smallest OpenID provider that will do.
struct Issuer {
    server: Server,
    key: SigningKey,
    published: Arc<Mutex<Vec<Value>>>,
    fetches: Arc<AtomicU32>,
}

impl Issuer {
    async fn start() -> Self {
        Self::calling_itself(None).await
    }

    /// With another name than its address.
    async fn calling_itself(name: Option<&str>) -> Self {
        let key = SigningKey::generate(Algorithm::ES256, "first");
        let published = Arc::new(Mutex::new(vec![key.public_jwk()]));
        let bound = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
        let url = bound.url();
        let name = name.unwrap_or(&url);
        let discovery = json!({"issuer": name, "jwks_uri": format!("{name}/jwks")});
        let fetches = Arc::new(AtomicU32::new(0));
        let (keys, count) = (published.clone(), fetches.clone());
        let key_set = async move || {
            count.fetch_add(1, Ordering::Relaxed);
            Json(json!({"keys": *keys.lock().unwrap()}))
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(move || async move { Json(discovery) }))
            .route("/jwks", get(key_set));
        Self { server: bound.serve(router), key, published, fetches }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    /// As IAM calls it.
    fn name(&self) -> String {
        self.server.address().to_string()
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(&self.key, claims)
    }

    fn token_with(&self, key: &SigningKey, claims: &Value) -> String {
        let header = json!({"alg": key.algorithm().name(), "kid": key.kid(), "typ": "JWT"});
        key.jwt(&header, claims)
    }

    /// How often its keys were asked for.
    fn fetches(&self) -> u32 {
        self.fetches.load(Ordering::Relaxed)
    }

    fn publish(&self, key: &SigningKey) {
        self.published.lock().unwrap().push(key.public_jwk());
    }
}

/// Lets the SDK sign by the scene's clock.
#[derive(Debug)]
struct SceneTime(Clock);

impl TimeSource for SceneTime {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
