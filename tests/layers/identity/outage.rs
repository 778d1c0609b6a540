//! An issuer that is down, for minutes, in every way.

use crate::{
    service::{Service, UNAVAILABLE, UNAVAILABLE_NOW, bearer, oauth, whoami},
    world::{COOL_DOWN, JWKS, LIFETIME, OAUTH, OPENID, SECOND, World},
};
use axum::{Router, extract::State, routing::get};
use bytes::Bytes;
use countersign::{Kind, ServiceBuilderExt};
use countersign_fixtures::{
    fault::Fault,
    http::Server,
    keys::{Algorithm, SigningKey},
};
use countersign_tests::client::Plain;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt};

const DISCOVERY: [&str; 2] = [OPENID, OAUTH];

/// What the issuer may do instead of answering. The redirect is to a key set, and must not be followed.
fn faults(world: &World) -> [Fault; 5] {
    [
        Fault::Reset,
        Fault::Status(500),
        Fault::Malformed,
        Fault::Oversized(256 * 1024 + 1),
        Fault::Redirect(world.idp.url("/_strangers")),
    ]
}

#[tokio::test]
async fn known_keys_serve_for_as_long_as_it_takes() {
    let world = World::new().await;
    for fault in faults(&world) {
        let service = Service::guarded_by(world.verifier(world.issuer())).await;
        let remembered = world.alice().expires_in(7200).token();
        assert_eq!(service.ask(&remembered).await.status, StatusCode::OK);
        world.break_down(&fault, &[JWKS]);
        world.clock.advance(LIFETIME + SECOND);

        let unknown = world.idp.rotate(Algorithm::EdDSA);
        let known = world.idp.kid(Algorithm::ES256);
        for minute in 0..5 {
            let case = format!("{fault:?}, minute {minute}");
            let before = world.fetches();
            let new = world.idp.mint("bob").key(&known).token();
            for token in [&remembered, &new] {
                assert_eq!(service.ask(token).await.status, StatusCode::OK, "{case}");
            }
            let token = world.idp.mint("bob").key(&unknown).token();
            UNAVAILABLE.assert_is(&service.ask(&token).await, &case);
            let documents = world.fetches() - before;
            assert!((1..=2).contains(&documents), "{case}: {documents} documents");
            world.clock.advance(2 * COOL_DOWN);
        }

        world.idp.faults().clear();
        let token = world.idp.mint("bob").key(&unknown).token();
        assert_eq!(service.ask(&token).await.status, StatusCode::OK, "after {fault:?}");
    }
    assert_eq!(world.idp.hits("/_strangers"), 0, "redirects are not followed");
}

#[tokio::test]
async fn without_first_keys_nobody_is_judged_until_they_come() {
    let world = World::new().await;
    for fault in faults(&world) {
        for (paths, what) in [(&DISCOVERY[..], "discovery"), (&[JWKS][..], "the key set")] {
            let case = format!("{fault:?} instead of {what}");
            let verifier = world.verifier(world.issuer());
            let service = Service::guarded_by(verifier.clone()).await;
            world.break_down(&fault, paths);

            let token = world.alice().token();
            let unable = verifier.warm_up().await.unwrap_err();
            assert_eq!(unable.kind(), Kind::IssuerUnavailable, "{case}");
            UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, &case);
            world.clock.advance(SECOND);
            UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, &case);

            world.idp.faults().clear();
            world.clock.advance(SECOND);
            assert_eq!(service.ask(&token).await.status, StatusCode::OK, "after {case}");
        }
    }
    assert_eq!(world.idp.hits("/_strangers"), 0, "redirects are not followed");
}

#[tokio::test]
async fn a_slow_issuer_keeps_nobody_waiting_whose_key_is_known() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let remembered = world.alice().token();
    assert_eq!(service.ask(&remembered).await.status, StatusCode::OK);
    let old = world.idp.kid(Algorithm::EdDSA);
    world.idp.rotate(Algorithm::EdDSA);
    world.break_down(&Fault::Slow(60_000), &[JWKS]);

    // The keys are to be refreshed ahead of their end.
    world.clock.advance(LIFETIME * 9 / 10);
    let at_once = Duration::from_secs(3);
    for token in [remembered, world.idp.mint("bob").key(&old).token()] {
        let answer = timeout(at_once, service.ask(&token)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    // Whoever needs what is not there yet waits, but not for a minute.
    let answer = timeout(Duration::from_secs(20), service.ask(&world.alice().token())).await.unwrap();
    UNAVAILABLE.assert_is(&answer, "an unknown key");
    assert_eq!(world.idp.hits(JWKS), 2);
}

#[tokio::test]
async fn a_caller_that_gives_up_takes_the_keys_from_nobody() {
    let world = World::new().await;
    let mut gate = Gate::before(&world).await;
    let verifier = world.verifier(world.issuer().with_jwks_url(gate.url()));
    let router = Router::new()
        .route("/", get(whoami))
        .layer(ServiceBuilder::new().respond_with(oauth()).verify_identity_for_router(verifier));
    let service = Service::start(router.clone()).await;

    let request = Request::get("/")
        .header("authorization", &bearer(&world.alice().token())[0])
        .body(Full::<Bytes>::default())
        .unwrap();
    let impatient = router.oneshot(request.map(axum::body::Body::new));
    tokio::select! {
        _ = impatient => panic!("there are no keys yet"),
        () = gate.knocked() => {}
    }

    let mut patient = JoinSet::new();
    for _ in 0..20 {
        let (service, token) = (service.clone(), world.alice().token());
        patient.spawn(async move { service.ask(&token).await.status });
    }
    gate.open();
    for status in patient.join_all().await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(world.idp.hits(JWKS), 1);
    assert!(gate.nobody_knocks());
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_believed() {
    let world = World::new().await;
    let key = SigningKey::generate(Algorithm::EdDSA, "theirs");
    let document = json!({"issuer": "https://login.elsewhere.example", "jwks_uri": world.idp.jwks_uri()});
    let theirs = Server::start(Router::new().route(OPENID, get(|| async { axum::Json(document) }))).await;
    let issuer = world.issuer().with_discovery_url(format!("{}{OPENID}", theirs.url()));
    let service = Service::guarded_by(world.verifier(issuer)).await;
    let token = key.jwt(&json!({"alg": "EdDSA"}), &json!({"iss": world.idp.issuer()}));
    UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, "another issuer's document");
    assert_eq!(world.idp.hits(JWKS), 0);
}

/// The issuer's key set behind a gate: whoever asks for it waits there.
struct Gate {
    server: Server,
    knocks: mpsc::UnboundedReceiver<()>,
    may_pass: Arc<Semaphore>,
}

#[derive(Clone)]
struct Porter {
    jwks_uri: String,
    knocking: mpsc::UnboundedSender<()>,
    may_pass: Arc<Semaphore>,
}

impl Gate {
    async fn before(world: &World) -> Self {
        let (knocking, knocks) = mpsc::unbounded_channel();
        let may_pass = Arc::new(Semaphore::new(0));
        let porter = Porter { jwks_uri: world.idp.jwks_uri(), knocking, may_pass: may_pass.clone() };
        let router = Router::new().route("/", get(Porter::answer)).with_state(porter);
        Self { server: Server::start(router).await, knocks, may_pass }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    /// Waits until somebody is at the gate.
    async fn knocked(&mut self) {
        self.knocks.recv().await.unwrap();
    }

    fn nobody_knocks(&mut self) -> bool {
        self.knocks.try_recv().is_err()
    }

    fn open(&self) {
        self.may_pass.add_permits(1000);
    }
}

impl Porter {
    async fn answer(State(porter): State<Self>) -> axum::Json<Value> {
        porter.knocking.send(()).unwrap();
        let _passing = porter.may_pass.acquire().await.unwrap();
        axum::Json(Plain::default().fetch(&porter.jwks_uri).await.json())
    }
}
