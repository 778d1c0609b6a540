//! Opaque tokens: the issuer is asked, as seldom as may be.

use crate::{
    log::Log,
    service::{EXPIRED, NO_TOKEN, Service, UNACCEPTABLE, UNAVAILABLE_NOW},
    world::{AUDIENCE, World},
};
use axum::{Json, Router, extract::State, routing::post};
use countersign::identity::Introspection;
use countersign_fixtures::{
    fault::Fault,
    http::Server,
    idp::{AuthMethod, Behaviour, Client},
};
use countersign_tests::client::{Plain, encode};
use http::StatusCode;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};
use url::Url;

const INTROSPECT: &str = "/introspect";
/// With what HTTP Basic has to encode.
const GATEWAY: (&str, &str) = ("gate:way", "s p+ t/%");
const BACK: &str = "http://127.0.0.1:4711/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn both_ways_to_authenticate() {
    let log = Log::record();
    let world = World::new().await;
    let token = opaque(&world).await;
    for (method, in_body) in [(AuthMethod::ClientSecretBasic, false), (AuthMethod::ClientSecretPost, true)] {
        world.idp.register(Client::confidential(GATEWAY.0, GATEWAY.1, method));
        let service = Service::guarded_by(world.verifier(world.issuer().with_introspection(
            // What stands in for an opaque access token here has no audience.
            introspection(&world, in_body).dangerous_without_audience(),
        )))
        .await;
        let answer = service.ask(&token).await;
        assert_eq!(answer.status, StatusCode::OK, "{method:?}: {}", answer.text());
        let caller = json!({"issuer": world.idp.issuer(), "subject": "alice", "scopes": ["openid", "email"]});
        assert_eq!(answer.json(), caller);

        let refused = service.ask("not-a-token-anybody-issued").await;
        UNACCEPTABLE.assert_is(&refused, "inactive");
        NO_TOKEN.assert_is(&service.ask_as_nobody().await, "nothing to ask about");

        let other_way = introspection(&world, !in_body).dangerous_without_audience();
        let service = Service::guarded_by(world.verifier(world.issuer().with_introspection(other_way))).await;
        UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, "the wrong way to authenticate");
    }
    let log = log.text();
    for secret in [&token, "not-a-token-anybody-issued", GATEWAY.1] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn signed_tokens_are_judged_without_asking() {
    let world = World::new().await;
    let issuer = world.issuer().with_introspection(introspection(&world, false));
    let service = Service::guarded_by(world.verifier(issuer)).await;
    assert_eq!(service.ask(&world.alice().token()).await.status, StatusCode::OK);
    let expired = world.alice().expires_in(-60).token();
    EXPIRED.assert_is(&service.ask(&expired).await, "signed");
    assert_eq!(world.idp.hits(INTROSPECT), 0);
}

#[tokio::test]
async fn an_answer_holds_for_a_minute() {
    let world = World::new().await;
    let service = asking_the_idp(&world).await;
    let token = opaque(&world).await;
    for _ in 0..5 {
        assert_eq!(service.ask(&token).await.status, StatusCode::OK);
    }
    assert_eq!(world.idp.hits(INTROSPECT), 1);
    world.clock.advance(Duration::from_secs(50));
    assert_eq!(service.ask(&token).await.status, StatusCode::OK);
    assert_eq!(world.idp.hits(INTROSPECT), 1);

    let form = [("token", token.as_str()), ("client_id", "app")];
    let revoked = Plain::default().post_form(&world.idp.url("/revoke"), &form).await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert_eq!(service.ask(&token).await.status, StatusCode::OK, "not known yet");
    world.clock.advance(Duration::from_secs(10));
    for _ in 0..2 {
        UNACCEPTABLE.assert_is(&service.ask(&token).await, "revoked");
    }
    assert_eq!(world.idp.hits(INTROSPECT), 3, "a refusal is not remembered");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked() {
    let world = World::new().await;
    let service = asking_the_idp(&world).await;
    let token = opaque(&world).await;
    for fault in [
        Fault::Reset,
        Fault::Status(500),
        Fault::Malformed,
        Fault::Oversized(256 * 1024 + 1),
        Fault::Redirect(world.idp.url("/userinfo")),
    ] {
        world.break_down(&fault, &[INTROSPECT]);
        UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, &format!("{fault:?}"));
        world.idp.faults().clear();
        assert_eq!(service.ask(&token).await.status, StatusCode::OK, "after {fault:?}");
        world.break_down(&fault, &[INTROSPECT]);
        assert_eq!(service.ask(&token).await.status, StatusCode::OK, "remembered");
        world.idp.faults().clear();
        world.clock.advance(Duration::from_secs(61));
    }
    assert_eq!(world.idp.hits("/userinfo"), 0, "redirects are not followed");
}

#[tokio::test]
async fn an_answer_has_to_say_as_much_as_a_token() {
    let world = World::new().await;
    let whole = json!({
        "active": true, "iss": world.idp.issuer(), "aud": AUDIENCE, "sub": "alice",
        "exp": world.clock.unix() + 20, "scope": "mcp",
    });
    let changed = |name: &str, value: Value| {
        let mut answer = whole.clone();
        answer[name] = value;
        answer
    };
    for (case, answer, refusal) in [
        ("whole", whole.clone(), None),
        ("no scope", changed("scope", Value::Null), None),
        ("no `exp`", without(&whole, "exp"), None),
        ("inactive", changed("active", json!(false)), Some(&UNACCEPTABLE)),
        ("a word for active", changed("active", json!("true")), Some(&UNACCEPTABLE)),
        ("nothing about active", without(&whole, "active"), Some(&UNACCEPTABLE)),
        ("no `aud`", without(&whole, "aud"), Some(&UNACCEPTABLE)),
        ("another `aud`", changed("aud", json!("https://b.example")), Some(&UNACCEPTABLE)),
        ("no `iss`", without(&whole, "iss"), Some(&UNACCEPTABLE)),
        ("another `iss`", changed("iss", json!("https://b.example")), Some(&UNACCEPTABLE)),
        ("no `sub`", without(&whole, "sub"), Some(&UNACCEPTABLE)),
        ("`exp` long ago", changed("exp", json!(1_000_000_000)), Some(&EXPIRED)),
        ("a list", json!([whole.clone()]), Some(&UNAVAILABLE_NOW)),
    ] {
        let oracle = Oracle::saying(answer).await;
        let service = oracle.guarding(&world, |introspection| introspection).await;
        let answer = service.ask("opaque").await;
        match refusal {
            Some(refusal) => refusal.assert_is(&answer, case),
            None => assert_eq!(answer.status, StatusCode::OK, "{case}: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn waivers_waive_what_they_name_and_no_more() {
    let world = World::new().await;
    let bare = json!({"active": true, "sub": "alice"});
    let with_issuer = json!({"active": true, "sub": "alice", "iss": world.idp.issuer()});
    let foreign =
        json!({"active": true, "sub": "alice", "iss": world.idp.issuer(), "aud": "https://b.example"});
    for (answer, accepted) in [(&bare, false), (&with_issuer, true), (&foreign, false)] {
        let oracle = Oracle::saying(answer.clone()).await;
        let service = oracle.guarding(&world, Introspection::dangerous_without_audience).await;
        let status = service.ask("opaque").await.status;
        assert_eq!(status == StatusCode::OK, accepted, "{answer}");
    }
    let oracle = Oracle::saying(bare).await;
    let service = oracle
        .guarding(&world, |introspection| {
            introspection.dangerous_without_audience().dangerous_without_issuer()
        })
        .await;
    assert_eq!(service.ask("opaque").await.json()["issuer"], world.idp.issuer());
}

#[tokio::test]
async fn an_answer_holds_no_longer_than_the_token() {
    let world = World::new().await;
    let oracle = Oracle::saying(json!({
        "active": true, "iss": world.idp.issuer(), "aud": AUDIENCE, "sub": "alice",
        "exp": world.clock.unix() + 10,
    }))
    .await;
    let service = oracle.guarding(&world, |introspection| introspection).await;
    assert_eq!(service.ask("opaque").await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(41));
    EXPIRED.assert_is(&service.ask("opaque").await, "end and leeway have passed");
    assert_eq!(oracle.asked.load(Ordering::Relaxed), 2);
}

/// Something opaque that Alice allowed the client `app`: a refresh token is all there is.
async fn opaque(world: &World) -> String {
    world.idp.register(Client::public("app").redirect_to(BACK));
    world.idp.script(Behaviour::SignIn("alice".into()));
    let http = Plain::default();
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let sent_back = http.fetch(&world.idp.url(&format!("/authorize?{query}"))).await;
    let location = Url::parse(sent_back.header("location")).unwrap();
    let (_, code) = location.query_pairs().find(|(name, _)| name == "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = http.post_form(&world.idp.url("/token"), &form).await.json();
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn asking_the_idp(world: &World) -> Service {
    world.idp.register(Client::confidential(GATEWAY.0, GATEWAY.1, AuthMethod::ClientSecretBasic));
    let introspection = introspection(world, false).dangerous_without_audience();
    Service::guarded_by(world.verifier(world.issuer().with_introspection(introspection))).await
}

fn introspection(world: &World, secret_in_body: bool) -> Introspection {
    let introspection = Introspection::new(world.idp.url(INTROSPECT), GATEWAY.0, GATEWAY.1.into());
    if secret_in_body { introspection.with_secret_in_body() } else { introspection }
}

fn without(answer: &Value, name: &str) -> Value {
    let mut answer = answer.clone();
    answer.as_object_mut().unwrap().remove(name);
    answer
}

/// An introspection endpoint that says the same of every token.
struct Oracle {
    server: Server,
    asked: Arc<AtomicU64>,
}

impl Oracle {
    async fn saying(answer: Value) -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let router = Router::new().route("/", post(Self::answer)).with_state((answer, asked.clone()));
        Self { server: Server::start(router).await, asked }
    }

    async fn answer(State((answer, asked)): State<(Value, Arc<AtomicU64>)>) -> Json<Value> {
        asked.fetch_add(1, Ordering::Relaxed);
        Json(answer)
    }

    async fn guarding(&self, world: &World, waive: impl FnOnce(Introspection) -> Introspection) -> Service {
        let introspection = Introspection::new(self.server.url(), "gateway", "hush".into());
        let issuer = world.issuer().with_introspection(waive(introspection));
        Service::guarded_by(world.verifier(issuer)).await
    }
}

/// However many tokens strangers invent, so many questions are open at once, and the rest is told to come again.
#[tokio::test]
async fn questions_are_bounded() {
    const BOUND: usize = 64;
    let world = World::new().await;
    let (release, released) = watch::channel(false);
    let endpoint = Router::new().route(
        INTROSPECT,
        post(async move || {
            released.clone().wait_for(|released| *released).await.unwrap();
            Json(json!({"active": false}))
        }),
    );
    let endpoint = Server::start(endpoint).await;
    let asking = Introspection::new(format!("{}{INTROSPECT}", endpoint.url()), GATEWAY.0, GATEWAY.1.into());
    let service = Service::guarded_by(world.verifier(world.issuer().with_introspection(asking))).await;

    let service = Arc::new(service);
    let mut asked = JoinSet::new();
    for n in 0..BOUND + 16 {
        let service = service.clone();
        asked.spawn(async move { service.ask(&format!("invented-{n}")).await.status });
    }
    for _ in 0..16 {
        assert_eq!(asked.join_next().await.unwrap().unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    release.send(true).unwrap();
    for _ in 0..BOUND {
        assert_eq!(asked.join_next().await.unwrap().unwrap(), StatusCode::UNAUTHORIZED);
    }
}
