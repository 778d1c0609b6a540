//! One call whoever waits, and STS is not overrun.

use super::*;
use countersign_fixtures::sts::{Code, Fault};
use futures_util::future::join_all;
use std::collections::HashSet;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_of_one_caller_are_one_call() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    scene.world.sts.faults().add(EXCHANGE, Fault::Slow(300), Some(1));
    let alice = caller(&scene.token("alice")).await;
    let mut asking = JoinSet::new();
    for _ in 0..10_000 {
        let (stack, alice) = (stack.clone(), alice.clone());
        asking.spawn(async move { ask(&stack, &alice).await.unwrap().access_key_id().to_owned() });
    }
    let ids: HashSet<String> = asking.join_all().await.into_iter().collect();
    assert_eq!((ids.len(), scene.calls(EXCHANGE)), (1, 1));
    let told = ["miss", "coalesced", "hit"].map(|name| scene.recorder.count(name));
    assert_eq!((told[0], told.iter().sum()), (1, 10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_are_a_thousand_calls_but_few_at_a_time() {
    let scene = Scene::new().await;
    let sts = scene.sts().with_concurrency(20).with_timeouts(10 * SECOND, 60 * SECOND).build().unwrap();
    let stack = stack(&scene.cache(sts), world::USER, Session::default());
    // So that calls are under way together for as long as possible.
    scene.world.sts.faults().add(EXCHANGE, Fault::Slow(5), None);
    let tokens: Vec<String> = (0..1_000).map(|n| scene.token(&format!("person-{n}"))).collect();
    let mut asking = JoinSet::new();
    for token in tokens {
        let stack = stack.clone();
        asking.spawn(async move { ask_with(&stack, &token).await.unwrap().access_key_id().to_owned() });
    }
    let ids: HashSet<String> = asking.join_all().await.into_iter().collect();
    assert_eq!((ids.len(), scene.calls(EXCHANGE)), (1_000, 1_000));
    let peak = scene.world.sts.peak();
    assert!((2..=20).contains(&peak), "{peak} calls at once");
}

#[tokio::test]
async fn when_every_caller_gives_up_the_call_is_not_in_vain() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    scene.world.sts.faults().add(EXCHANGE, Fault::Slow(300), Some(1));
    let alice = caller(&scene.token("alice")).await;
    let impatient = (0..50).map(|_| tokio::time::timeout(SECOND / 20, ask(&stack, &alice)));
    assert!(join_all(impatient).await.iter().all(Result::is_err));
    scene.recorder.wait_for("assumed", 1).await;
    // The observer is told before the credentials are handed out.
    ask(&stack, &alice).await.unwrap();
    assert_eq!(scene.calls(EXCHANGE), 1);
    ask(&stack, &alice).await.unwrap();
    assert!(scene.recorder.count("hit") >= 1);
}

#[tokio::test]
async fn a_loop_against_a_role_that_refuses_is_one_call_in_five_seconds() {
    let scene = Scene::new().await;
    let cache = scene.cache(scene.sts().build().unwrap());
    let admin = stack(&cache, world::ADMIN, Session::default());
    let bob = caller(&scene.token("bob")).await;
    for round in 1..=3 {
        for _ in 0..100 {
            assert_eq!(kind(&ask(&admin, &bob).await.unwrap_err()), Kind::RoleRefused);
        }
        assert_eq!(scene.calls(EXCHANGE), round);
        scene.clock.advance(5 * SECOND);
    }
    assert_eq!(scene.recorder.count("remembered"), 3 * 99);
}

#[tokio::test]
async fn one_bad_token_fails_its_owner_and_is_remembered_for_its_owner_only() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    scene.world.sts.faults().add(EXCHANGE, Fault::Slow(200), Some(1));
    // Past what AWS grants, so STS refuses it although everything else about it is right.
    let expired = caller(&scene.mint("alice").expires_in(-400).token()).await;
    let good = caller(&scene.token("alice")).await;
    let (bad, also_bad, first, second) =
        tokio::join!(ask(&stack, &expired), ask(&stack, &expired), ask(&stack, &good), ask(&stack, &good));
    for error in [bad.unwrap_err(), also_bad.unwrap_err()] {
        assert_eq!((kind(&error), status(&error)), (Kind::ExpiredToken, 401));
    }
    assert_eq!(first.unwrap().access_key_id(), second.unwrap().access_key_id());
    assert_eq!(scene.calls(EXCHANGE), 2);
}

#[tokio::test]
async fn nobodys_bad_token_opens_the_breaker() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    for n in 0..30 {
        let expired = scene.mint(&format!("person-{n}")).expires_in(-400).token();
        assert_eq!(kind(&ask_with(&stack, &expired).await.unwrap_err()), Kind::ExpiredToken);
        let forged =
            scene.mint(&format!("forger-{n}")).fault(countersign_fixtures::idp::MintFault::BadSignature);
        assert_eq!(kind(&ask_with(&stack, &forged.token()).await.unwrap_err()), Kind::IdentityTokenRejected);
    }
    for code in
        [Code::AccessDenied, Code::IDPRejectedClaim, Code::ValidationError, Code::RegionDisabledException]
    {
        scene.world.sts.faults().add(EXCHANGE, Fault::Error(code), Some(15));
        for n in 0..15 {
            ask_with(&stack, &scene.token(&format!("{code:?}-{n}"))).await.unwrap_err();
        }
    }
    ask_with(&stack, &scene.token("alice")).await.unwrap();
}

#[tokio::test]
async fn the_breaker_spares_an_sts_that_is_down_and_finds_out_when_it_is_back() {
    let scene = Scene::new().await;
    let sts = scene.sts().with_timeouts(2 * SECOND, 2 * SECOND).build().unwrap();
    let stack = stack(&scene.cache(sts), world::USER, Session::default());
    scene.world.sts.faults().add(EXCHANGE, Fault::Error(Code::ServiceUnavailable), None);
    for n in 0..40 {
        let error = ask_with(&stack, &scene.token(&format!("person-{n}"))).await.unwrap_err();
        assert_eq!(kind(&error), Kind::StsUnavailable);
    }
    assert_eq!(scene.calls(EXCHANGE), 10);
    scene.world.sts.faults().clear();
    assert_eq!(kind(&ask_with(&stack, &scene.token("alice")).await.unwrap_err()), Kind::StsUnavailable);

    scene.clock.advance(5 * SECOND);
    ask_with(&stack, &scene.token("alice")).await.unwrap();
    ask_with(&stack, &scene.token("bob")).await.unwrap();
    assert_eq!(scene.calls(EXCHANGE), 12);
}
