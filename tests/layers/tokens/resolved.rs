//! Found for the caller and for nobody else, and only where a backend needs it.

use super::{
    backend::Backend,
    gateway::{Gateway, boxed, wire},
    people::{account, connect, introduce_ourselves, refresh},
    store::Shared,
};
use crate::{service::bearer, world::World};
use bytes::Bytes;
use countersign::{
    ServiceBuilderExt,
    tokens::{Connection, Need, StoredTokens},
};
use countersign_fixtures::{fault::Fault, idp::Idp};
use countersign_tests::client::Answer;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::{sync::Arc, time::Duration};
use tower::ServiceBuilder;

const HOUR: Duration = Duration::from_secs(3600);

/// Two providers, a backend for each, and Alice who is connected to both.
struct Scene {
    world: World,
    github: Idp,
    gitlab: Idp,
    at_github: Backend,
    at_gitlab: Backend,
    store: Shared,
    service: crate::service::Service,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let (github, gitlab) = (Idp::start(world.clock.clone()).await, Idp::start(world.clock.clone()).await);
        let (at_github, at_gitlab) = (Backend::start().await, Backend::start().await);
        let store = Shared::new(&world.clock);
        let mut gateway = Gateway::new();
        for (name, provider, backend) in [("github", &github, &at_github), ("gitlab", &gitlab, &at_gitlab)] {
            introduce_ourselves(provider);
            store.put(account(&world.idp, "alice", name), connect(provider, "alice").await);
            let source = StoredTokens::builder(store.clone(), refresh(provider, name))
                .with_clock(world.our_clock())
                .build();
            let stack = ServiceBuilder::new()
                .resolve_tokens(source, [name])
                .attach_upstream_token(name)
                .service(wire());
            gateway = gateway.route(&format!("/{name}"), boxed(stack), backend.url());
        }
        let service = gateway.start(&world).await;
        Self { world, github, gitlab, at_github, at_gitlab, store, service }
    }

    async fn call(&self, path: &str, subject: &str) -> Answer {
        let token = self.world.idp.mint(subject).token();
        self.call_with(path, &token).await
    }

    async fn call_with(&self, path: &str, token: &str) -> Answer {
        let [authorization] = bearer(token);
        let request = Request::post(format!("{}{path}", self.service.url()))
            .header("authorization", authorization)
            .body(Full::from("{}"))
            .unwrap();
        self.service.send(request).await
    }
}

fn access_token(connection: &Connection) -> String {
    use secrecy::ExposeSecret;
    connection.access_token().expose_secret().to_owned()
}

#[tokio::test]
async fn a_backend_gets_the_token_of_its_provider_and_of_this_caller() {
    let scene = Scene::new().await;
    let of_bob = connect(&scene.github, "bob").await;
    scene.store.put(account(&scene.world.idp, "bob", "github"), of_bob.clone());
    for (path, subject) in [("/github", "alice"), ("/gitlab", "alice"), ("/github", "bob")] {
        let answer = scene.call(path, subject).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "done".to_owned()), "{path} {subject}");
    }
    let kept = |subject, name| scene.store.kept(&account(&scene.world.idp, subject, name)).unwrap();
    let of_alice = access_token(&kept("alice", "github"));
    assert_eq!(scene.at_github.tokens(), [of_alice, access_token(&of_bob)]);
    assert_eq!(scene.at_gitlab.tokens(), [access_token(&kept("alice", "gitlab"))]);
    assert_eq!(scene.at_github.seen()[0].body, Bytes::from("{}"));
}

#[tokio::test]
async fn the_callers_own_token_is_in_no_byte_that_left() {
    let scene = Scene::new().await;
    let own = scene.world.idp.mint("alice").token();
    for _ in 0..3 {
        assert_eq!(scene.call_with("/github", &own).await.status, StatusCode::OK);
    }
    let signature = own.rsplit('.').next().unwrap();
    assert!(scene.at_github.bytes().len() > 300);
    assert!(!scene.at_github.has_seen(&own) && !scene.at_github.has_seen(signature));
}

#[tokio::test]
async fn a_stranger_is_told_which_account_to_connect_and_never_to_sign_in_again() {
    let scene = Scene::new().await;
    let of_phone = scene.world.idp.mint("alice").claim("client_id", "phone").token();
    let of_bob = scene.world.idp.mint("bob").token();
    for token in [of_phone, of_bob] {
        let answer = scene.call_with("/github", &token).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.header("x-provider"), "github");
        assert_eq!(answer.header("www-authenticate"), "");
        assert_eq!(answer.json()["error_description"], "an account that this needs is not connected yet");
    }
    assert!(scene.at_github.bytes().is_empty());
}

#[tokio::test]
async fn trouble_with_one_provider_is_no_trouble_at_the_other() {
    let scene = Scene::new().await;
    scene.world.clock.advance(HOUR);
    for fault in [Fault::Status(503), Fault::Status(500), Fault::Reset, Fault::Malformed] {
        scene.github.faults().clear();
        scene.github.faults().add("/token", fault.clone(), None);
        let broken = scene.call("/github", "alice").await;
        let expected = if fault == Fault::Status(503) {
            // It was not looked at, so the refresh token is as good as before.
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            // Nobody knows, so the account has to be connected anew.
            StatusCode::FORBIDDEN
        };
        assert_eq!(broken.status, expected, "{fault:?}: {}", broken.text());
        assert_eq!(broken.header("x-provider"), "github");
        assert_eq!(scene.call("/gitlab", "alice").await.status, StatusCode::OK, "{fault:?}");
        let kept = scene.store.kept(&account(&scene.world.idp, "alice", "github"));
        assert_eq!(kept.is_some(), expected == StatusCode::SERVICE_UNAVAILABLE);
        scene.store.put(account(&scene.world.idp, "alice", "github"), {
            scene.github.faults().clear();
            let connection = connect(&scene.github, "alice").await;
            scene.world.clock.advance(HOUR);
            connection
        });
    }
    scene.store.break_down(true);
    let answer = scene.call("/gitlab", "alice").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert!(scene.gitlab.hits("/token") > 1);
}

#[tokio::test]
async fn an_id_token_ends_by_itself() {
    let scene = Scene::new().await;
    let backend = Backend::start().await;
    let source = StoredTokens::builder(scene.store.clone(), refresh(&scene.github, "github"))
        .with_clock(scene.world.our_clock())
        .build();
    let stack = ServiceBuilder::new()
        .resolve_tokens(Arc::new(source), [Need::id_token("github")])
        .attach_upstream_token("github")
        .service(wire());
    let service = Gateway::new().route("/", boxed(stack), backend.url()).start(&scene.world).await;
    let call = async || {
        let [authorization] = bearer(&scene.world.idp.mint("alice").token());
        let request = Request::post(service.url()).header("authorization", authorization);
        service.send(request.body(Full::default()).unwrap()).await
    };
    let account = account(&scene.world.idp, "alice", "github");
    assert_eq!(call().await.status, StatusCode::OK);
    let before = scene.github.hits("/token");

    // The access token is good for a while yet.
    let kept = scene.store.kept(&account).unwrap();
    let id_token = kept.id_token().unwrap().clone();
    scene.store.put(account.clone(), kept.with_id_token(id_token, Some(scene.world.clock.now())));
    assert_eq!(call().await.status, StatusCode::OK);
    assert_eq!(scene.github.hits("/token"), before + 1, "it was renewed for the ID token's sake");

    let without = Connection::new("opaque".into(), scene.world.clock.now());
    scene.store.put(account, without);
    let answer = call().await;
    assert_eq!((answer.status, answer.header("x-provider")), (StatusCode::FORBIDDEN, "github"));
}
