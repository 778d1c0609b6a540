//! The layer over a provider that does as it is told.

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    error::{BoxError, Error, Kind},
    proof::{
        Attached, Authenticated, AwsCredentials, AwsRole, Carry, Identity, IdentityParts, Proves,
        UpstreamToken, UpstreamTokens, WithCredentials, WithRole, WithTokens,
    },
    task,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};

const ROLE: &str = "arn:aws:iam::123456789012:role/R";

/// Counts, waits for leave, and answers.
#[derive(Clone, Debug)]
struct Scripted {
    calls: Arc<AtomicUsize>,
    leave: Arc<Semaphore>,
    bad_token: &'static str,
}

impl Scripted {
    fn new(leave: usize) -> Self {
        Self { calls: Arc::default(), leave: Arc::new(Semaphore::new(leave)), bad_token: "expired" }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl CredentialProvider for Scripted {
    async fn provide(&self, request: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        self.leave.acquire().await.unwrap().forget();
        if request.caller().claim("jti") == Some(&json!(self.bad_token)) {
            return Err(Refusal::new(Kind::ExpiredToken, "Token expired"));
        }
        let expires = SystemClock.now() + Duration::from_secs(3600);
        Ok(IssuedCredentials::new(format!("ASIA{number}"), "secret".into(), "session".into(), expires))
    }
}

fn identity(subject: &str, claims: &Value) -> Identity {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let token = format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    Identity::new(IdentityParts {
        issuer: "https://login.example.com".into(),
        subject: subject.into(),
        claims: claims.as_object().unwrap().clone(),
        scopes: Vec::new(),
        actors: Vec::new(),
        token: Some(token.into()),
        expires: None,
        honoured_until: None,
    })
}

fn request(identity: Identity) -> Request<Carry<WithRole<Attached>, ()>> {
    let caller = Authenticated::new(identity, Arc::new(SystemClock));
    caller.attach(Request::new(())).unwrap().map(|carry| {
        let (attached, body) = carry.into_parts();
        Carry::new(WithRole::new(attached, AwsRole::new(ROLE, "alice")), body)
    })
}

/// With an ID token and an access token of a provider called `corp`.
fn signed_in(identity: Identity, id_token: &str) -> Request<Carry<WithRole<WithTokens<Attached>>, ()>> {
    let caller = Authenticated::new(identity, Arc::new(SystemClock));
    let token = UpstreamToken::new("opaque".into(), Some(id_token.into()), None);
    let tokens = UpstreamTokens::new(BTreeMap::from([("corp".to_owned(), token)]));
    caller.attach(Request::new(())).unwrap().map(|carry| {
        let (attached, body) = carry.into_parts();
        Carry::new(WithRole::new(WithTokens::new(attached, tokens), AwsRole::new(ROLE, "alice")), body)
    })
}

type Inside = Request<Carry<WithCredentials<WithRole<Attached>>, ()>>;

fn stack(
    provider: &Scripted,
) -> impl Service<
    Request<Carry<WithRole<Attached>, ()>>,
    Response = String,
    Error = BoxError,
    Future: Send + 'static,
> + Clone
+ use<> {
    let tell = service_fn(async |request: Inside| {
        let credentials: &AwsCredentials = request.body().proof().fact();
        Ok::<_, BoxError>(credentials.access_key_id().to_owned())
    });
    AssumeRoleLayer::new(provider.clone()).layer(tell)
}

fn kind(error: &BoxError) -> Kind {
    error.downcast_ref::<Error>().unwrap().kind()
}

#[tokio::test]
async fn those_who_wait_and_those_who_give_up_cause_one_call() {
    let provider = Scripted::new(0);
    let stack = stack(&provider);
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            let alice = identity("alice", &json!({"jti": n, "iat": n}));
            task::spawn(stack.clone().oneshot(request(alice)))
        })
        .collect();
    tokio::task::yield_now().await;
    for one in waiting {
        one.abort();
        assert!(one.await.unwrap_err().is_cancelled());
    }
    provider.leave.add_permits(10);
    let later = stack.oneshot(request(identity("alice", &json!({"jti": 1000})))).await.unwrap();
    assert_eq!((later.as_str(), provider.calls()), ("ASIA0", 1));
}

#[tokio::test]
async fn a_bad_token_fails_its_owner_only() {
    let provider = Scripted::new(0);
    let stack = stack(&provider);
    let ask = |id: &str| task::spawn(stack.clone().oneshot(request(identity("alice", &json!({"jti": id})))));
    let (first, second) = (ask("expired"), ask("expired"));
    tokio::task::yield_now().await;
    let good: Vec<_> = (0..10).map(|n| ask(&format!("good-{n}"))).collect();
    tokio::task::yield_now().await;
    assert_eq!(provider.calls(), 1);

    provider.leave.add_permits(10);
    for bad in [first, second] {
        assert_eq!(kind(&bad.await.unwrap().unwrap_err()), Kind::ExpiredToken);
    }
    for good in good {
        assert_eq!(good.await.unwrap().unwrap(), "ASIA1");
    }
    assert_eq!(provider.calls(), 2);
}

#[tokio::test]
async fn an_upstream_token_is_exchanged_and_tells_sessions_apart() {
    let provider = Scripted::new(100);
    let tell =
        service_fn(async |request: Request<Carry<WithCredentials<WithRole<WithTokens<Attached>>>, ()>>| {
            let credentials: &AwsCredentials = request.body().proof().fact();
            Ok::<_, BoxError>(credentials.access_key_id().to_owned())
        });
    let cache = CredentialCache::new(provider.clone());
    let layer = |session: SessionBuilder| {
        AssumeRoleLayer::sharing(&cache).with_session(session.build().unwrap()).layer(tell)
    };
    let id_token = |claims: &Value| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    let stack = layer(Session::upstream("corp", Upstream::IdToken));
    let ask = |token: &Value| {
        let alice = identity("alice", &json!({}));
        stack.clone().oneshot(signed_in(alice, &id_token(token)))
    };
    let first = ask(&json!({"sub": "7", "groups": ["a"], "iat": 1, "exp": 2})).await.unwrap();
    assert_eq!(ask(&json!({"sub": "7", "groups": ["a"], "iat": 3, "exp": 4})).await.unwrap(), first);
    assert_ne!(ask(&json!({"sub": "7", "groups": ["b"], "iat": 3, "exp": 4})).await.unwrap(), first);
    assert_eq!(provider.calls(), 2);

    let access = layer(Session::upstream("corp", Upstream::AccessToken));
    let opaque = access.oneshot(signed_in(identity("alice", &json!({})), "x")).await.unwrap_err();
    assert_eq!(kind(&opaque), Kind::NotExchangeable);
    let other = layer(Session::upstream("github", Upstream::IdToken));
    let missing = other.oneshot(signed_in(identity("alice", &json!({})), "x")).await.unwrap_err();
    assert_eq!(kind(&missing), Kind::UpstreamTokenMissing);
    assert_eq!(provider.calls(), 2);
}
