//! Tokens that were verified before: what still ends them.

use crate::{
    service::{EXPIRED, Service, UNACCEPTABLE},
    world::{AUDIENCE, World},
};
use countersign::{
    identity::{Issuer, LocalKeys, Revocations},
    proof::Identity,
};
use countersign_fixtures::keys::{Algorithm, SigningKey};
use http::StatusCode;
use serde_json::json;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Clone, Debug, Default)]
struct Banned(Arc<Mutex<HashSet<String>>>);

impl Revocations for Banned {
    fn is_revoked(&self, identity: &Identity) -> bool {
        self.0.lock().unwrap().contains(identity.subject())
    }
}

#[tokio::test]
async fn its_end() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let token = world.alice().expires_in(120).token();
    for _ in 0..2 {
        assert_eq!(service.ask(&token).await.status, StatusCode::OK);
    }
    world.clock.advance(Duration::from_secs(140));
    assert_eq!(service.ask(&token).await.status, StatusCode::OK, "within the leeway");
    world.clock.advance(Duration::from_secs(10));
    for visit in ["from memory", "by its signature"] {
        EXPIRED.assert_is(&service.ask(&token).await, visit);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_before_its_beginning() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let token = world.alice().token();
    assert_eq!(service.ask(&token).await.status, StatusCode::OK);
    world.clock.rewind(Duration::from_secs(60));
    UNACCEPTABLE.assert_is(&service.ask(&token).await, "before its `nbf`");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(service.ask(&token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_revocation() {
    let world = World::new().await;
    let banned = Banned::default();
    let builder = world.builder().trust(world.issuer());
    let service = Service::guarded_by(builder.with_revocations(banned.clone()).build().unwrap()).await;
    let [alice, bob] = ["alice", "bob"].map(|subject| {
        let mint = world.idp.mint(subject);
        mint.algorithm(Algorithm::ES256).token()
    });
    for token in [&alice, &bob] {
        assert_eq!(service.ask(token).await.status, StatusCode::OK);
    }
    banned.0.lock().unwrap().insert("alice".to_owned());
    UNACCEPTABLE.assert_is(&service.ask(&alice).await, "remembered");
    UNACCEPTABLE.assert_is(&service.ask(&world.alice().token()).await, "new");
    assert_eq!(service.ask(&bob).await.status, StatusCode::OK);
    banned.0.lock().unwrap().clear();
    assert_eq!(service.ask(&alice).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_replacement_of_local_keys() {
    let world = World::new().await;
    let [first, second] = ["first", "second"].map(|kid| SigningKey::generate(Algorithm::ES256, kid));
    let set = |keys: &[&SigningKey]| {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        json!({ "keys": keys }).to_string()
    };
    let keys = LocalKeys::parse(&set(&[&first])).unwrap();
    let issuer = Issuer::new("https://this.very.process", AUDIENCE).with_keys(keys.clone());
    let service = Service::guarded_by(world.verifier(issuer)).await;
    let signed_with = |key: &SigningKey| {
        let header = json!({"alg": "ES256", "kid": key.kid()});
        let end = world.clock.unix() + 600;
        key.jwt(
            &header,
            &json!({"iss": "https://this.very.process", "aud": AUDIENCE, "sub": "alice", "exp": end}),
        )
    };
    let [old, new] = [&first, &second].map(signed_with);

    assert_eq!(service.ask(&old).await.status, StatusCode::OK);
    UNACCEPTABLE.assert_is(&service.ask(&new).await, "not yet");

    keys.replace(&set(&[&first, &second])).unwrap();
    for token in [&old, &new] {
        assert_eq!(service.ask(token).await.status, StatusCode::OK, "overlap");
    }
    keys.replace(&set(&[&second])).unwrap();
    UNACCEPTABLE.assert_is(&service.ask(&old).await, "no more");
    assert_eq!(service.ask(&new).await.status, StatusCode::OK);

    // Another key under a name that is known.
    let namesake = SigningKey::generate(Algorithm::ES256, "second");
    keys.replace(&set(&[&namesake])).unwrap();
    UNACCEPTABLE.assert_is(&service.ask(&new).await, "a namesake's");
    assert_eq!(service.ask(&signed_with(&namesake)).await.status, StatusCode::OK);

    assert!(keys.replace("{}").is_err());
    assert_eq!(
        service.ask(&signed_with(&namesake)).await.status,
        StatusCode::OK,
        "a failed replacement changes nothing"
    );
}

#[tokio::test]
async fn a_verifier_that_remembers_nothing_says_the_same() {
    let world = World::new().await;
    let builder = world.builder().trust(world.issuer());
    let service = Service::guarded_by(builder.without_memory().build().unwrap()).await;
    let token = world.alice().expires_in(60).token();
    for _ in 0..3 {
        assert_eq!(service.ask(&token).await.status, StatusCode::OK);
    }
    world.clock.advance(Duration::from_secs(90));
    EXPIRED.assert_is(&service.ask(&token).await, "by its signature");
}
