//! Keys that come and go while everybody is calling.

use crate::{
    service::{Service, UNACCEPTABLE},
    world::{COOL_DOWN, JWKS, LIFETIME, SECOND, World},
};
use countersign_fixtures::keys::{Algorithm, jws};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{sync::watch, task::JoinSet};

const CALLERS: usize = 24;
const ROTATIONS: u64 = 10;
/// How often a caller uses one token.
const USES: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_do_not_notice() {
    let world = Arc::new(World::new().await);
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let done = watch::Sender::new([0; CALLERS]);
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let (world, service, stop, done) = (world.clone(), service.clone(), stop.clone(), done.clone());
        callers.spawn(async move {
            let mut refusals = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let token = world.alice().token();
                for _ in 0..USES {
                    let answer = service.ask(&token).await;
                    if answer.status != StatusCode::OK {
                        refusals.push(answer.text());
                    }
                    done.send_modify(|done| done[number] += 1);
                }
            }
            refusals
        });
    }

    let mut progress = done.subscribe();
    let mut keys = vec![world.idp.kid(Algorithm::EdDSA)];
    for rotation in 0..=ROTATIONS {
        // By then nobody holds a token from before the last rotation but one.
        let before = *done.borrow();
        let everybody_went_on =
            |now: &[usize; CALLERS]| now.iter().zip(before).all(|(now, before)| *now >= before + 2 * USES);
        progress.wait_for(everybody_went_on).await.unwrap();
        if rotation < ROTATIONS {
            world.clock.advance(COOL_DOWN + SECOND);
            keys.push(world.idp.rotate(Algorithm::EdDSA));
            if let [.., retired, _, _] = keys.as_slice() {
                assert!(world.idp.retire(retired));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);

    let refusals = callers.join_all().await.concat();
    assert_eq!(refusals, [""; 0], "of {} calls", done.borrow().iter().sum::<usize>());
    assert_eq!(world.idp.hits(JWKS), 1 + ROTATIONS);
}

/// Callers that look at the keys in the very moment in which a refresh brings new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_falls_between_two_key_sets() {
    let world = World::new().await;
    let verifier = world.verifier(world.issuer());
    verifier.warm_up().await.unwrap();
    for rotation in 1..=40 {
        world.clock.advance(COOL_DOWN + SECOND);
        let old = world.idp.kid(Algorithm::EdDSA);
        world.idp.rotate(Algorithm::EdDSA);
        world.idp.retire(&old);
        let tokens: Vec<_> = (0..200).map(|_| world.alice().token()).collect();

        let mut verifying = JoinSet::new();
        for token in tokens {
            let verifier = verifier.clone();
            verifying.spawn(async move { verifier.verify(&SecretString::from(token)).await.map(drop) });
        }
        for outcome in verifying.join_all().await {
            outcome.unwrap_or_else(|error| panic!("rotation {rotation}: {error:?}"));
        }
        assert_eq!(world.idp.hits(JWKS), 1 + rotation, "one fetch for each rotation");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invented_key_ids_cause_one_fetch_for_each_cool_down() {
    const PERIODS: u64 = 4;
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    assert_eq!(service.ask(&world.alice().token()).await.status, StatusCode::OK);

    for period in 1..=PERIODS {
        world.clock.advance(COOL_DOWN + SECOND);
        let mut attackers = JoinSet::new();
        for attacker in 0..25 {
            let service = service.clone();
            let issuer = world.idp.issuer().to_owned();
            attackers.spawn(async move {
                for number in 0..100 {
                    let kid = format!("invented-{period}-{attacker}-{number}");
                    let answer = service.ask(&forged(&issuer, &kid)).await;
                    UNACCEPTABLE.assert_is(&answer, &kid);
                }
            });
        }
        attackers.join_all().await;
        assert_eq!(world.idp.hits(JWKS), 1 + period);
    }
    assert_eq!(service.ask(&world.alice().token()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_retired_key_ends_with_the_next_refresh() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let remembered = world.alice().token();
    assert_eq!(service.ask(&remembered).await.status, StatusCode::OK);
    let retired = world.idp.kid(Algorithm::EdDSA);
    let with_retired_key = || world.alice().key(&retired).token();
    world.idp.rotate(Algorithm::EdDSA);
    world.idp.retire(&retired);
    for token in [&remembered, &with_retired_key()] {
        assert_eq!(service.ask(token).await.status, StatusCode::OK, "not known yet");
    }

    // A token that is signed with the new key brings the refresh.
    world.clock.advance(COOL_DOWN + SECOND);
    assert_eq!(service.ask(&world.alice().token()).await.status, StatusCode::OK);
    UNACCEPTABLE.assert_is(&service.ask(&remembered).await, "remembered");
    UNACCEPTABLE.assert_is(&service.ask(&with_retired_key()).await, "new");
    assert_eq!(world.idp.hits(JWKS), 2);
}

#[tokio::test]
async fn keys_are_refreshed_though_every_token_is_remembered() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let [mine, his] = ["alice", "bob"].map(|subject| {
        let mint = world.idp.mint(subject).expires_in(7200);
        mint.algorithm(Algorithm::ES256).token()
    });
    assert_eq!(service.ask(&mine).await.status, StatusCode::OK);
    assert_eq!(service.ask(&his).await.status, StatusCode::OK);

    world.clock.advance(LIFETIME + SECOND);
    assert_eq!(service.ask(&mine).await.status, StatusCode::OK);
    assert_eq!(world.idp.hits(JWKS), 2, "the keys had aged");

    world.idp.retire(&world.idp.kid(Algorithm::ES256));
    world.clock.advance(LIFETIME + SECOND);
    UNACCEPTABLE.assert_is(&service.ask(&his).await, "after a retirement");
    UNACCEPTABLE.assert_is(&service.ask(&mine).await, "after a retirement");
    assert_eq!(world.idp.hits(JWKS), 3);
}

/// A token that never was signed.
fn forged(issuer: &str, kid: &str) -> String {
    let claims =
        json!({"iss": issuer, "sub": "mallory", "aud": crate::world::AUDIENCE, "exp": 4_102_444_800_u64});
    jws(&json!({"alg": "EdDSA", "kid": kid}), &claims, |_| vec![7; 64])
}
