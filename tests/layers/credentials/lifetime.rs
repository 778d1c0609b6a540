//! Credentials over time: renewed ahead, used while STS is down, given up when they end.

use super::*;
use countersign_fixtures::{
    sts::{Code, Fault},
    world::ADMIN,
};
use std::{collections::HashSet, time::Instant};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nobody_waits_for_a_renewal_in_three_lifetimes_under_load() {
    let mut scene = Scene::new().await;
    // An hour becomes six seconds, give or take one: ends are whole seconds there.
    scene.world.sts = scene.world.sts.with_lifetime_divisor(600);
    let stack = scene.stack(Session::default());
    let alice = caller(&scene.token("alice")).await;
    let mut seen = HashSet::from([ask(&stack, &alice).await.unwrap().access_key_id().to_owned()]);
    // A renewal takes its time, and nobody notices.
    scene.world.sts.faults().add(EXCHANGE, Fault::Slow(100), None);
    let started = Instant::now();
    let mut requests = 1;
    while seen.len() < 4 {
        assert!(started.elapsed() < 60 * SECOND, "{} credentials in a minute", seen.len());
        seen.insert(ask(&stack, &alice).await.unwrap().access_key_id().to_owned());
        requests += 1;
        tokio::task::yield_now().await;
        if requests % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let told = ["miss", "coalesced", "hit"].map(|name| scene.recorder.count(name));
    assert_eq!(told, [1, 0, requests - 1]);
    assert!(scene.recorder.count("refresh ahead") >= 3);
}

#[tokio::test]
async fn credentials_are_renewed_from_four_fifths_on_and_not_before() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    let alice = caller(&scene.token("alice")).await;
    let first = ask(&stack, &alice).await.unwrap();
    scene.clock.advance(47 * MINUTE);
    assert_eq!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
    assert_eq!(scene.recorder.count("refresh ahead"), 0);
    scene.clock.advance(8 * MINUTE);
    // The one who triggers the renewal is served like everybody else.
    assert_eq!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
    scene.recorder.wait_for("assumed", 2).await;
    // Told before it is handed out, so perhaps not at once.
    while ask(&stack, &alice).await.unwrap().access_key_id() == first.access_key_id() {
        tokio::task::yield_now().await;
    }
    assert_eq!((scene.calls(EXCHANGE), scene.recorder.count("refresh ahead")), (2, 1));
}

#[tokio::test]
async fn while_sts_is_down_credentials_are_used_to_their_end() {
    let scene = Scene::new().await;
    let sts = scene.sts().with_timeouts(2 * SECOND, 2 * SECOND).build().unwrap();
    let stack = stack(&scene.cache(sts), world::USER, Session::default());
    let long = scene.mint("alice").expires_in(36_000).token();
    let alice = caller(&long).await;
    let first = ask(&stack, &alice).await.unwrap();
    scene.world.sts.faults().add(EXCHANGE, Fault::Error(Code::ServiceUnavailable), None);
    // A minute before their end they are not used any more.
    for _ in 0..58 {
        scene.clock.advance(MINUTE);
        assert_eq!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
        tokio::task::yield_now().await;
    }
    assert!(scene.recorder.count("refresh ahead") >= 1);
    scene.clock.advance(MINUTE + SECOND);
    assert_eq!(kind(&ask(&stack, &alice).await.unwrap_err()), Kind::StsUnavailable);
    scene.world.sts.faults().clear();
    scene.clock.advance(MINUTE);
    assert_ne!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
}

#[tokio::test]
async fn a_renewal_that_is_refused_ends_the_session() {
    let scene = Scene::new().await;
    let cache = scene.cache(scene.sts().build().unwrap());
    let admin = stack(&cache, ADMIN, Session::default());
    let alice = caller(&scene.token("alice")).await;
    ask(&admin, &alice).await.unwrap();
    scene.world.sts.faults().add(EXCHANGE, Fault::Error(Code::AccessDenied), None);
    scene.clock.advance(55 * MINUTE);
    ask(&admin, &alice).await.unwrap();
    scene.recorder.wait_for("refused", 1).await;
    while ask(&admin, &alice).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(kind(&ask(&admin, &alice).await.unwrap_err()), Kind::RoleRefused);
    assert_eq!(scene.calls(EXCHANGE), 2);
}

#[tokio::test]
async fn any_other_failure_of_a_renewal_ends_nothing_and_is_not_repeated_at_once() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    let alice = caller(&scene.token("alice")).await;
    let first = ask(&stack, &alice).await.unwrap();
    scene.clock.advance(55 * MINUTE);
    let codes = [Code::ValidationError, Code::InvalidIdentityToken, Code::RegionDisabledException];
    for (round, code) in (1..).zip(codes) {
        scene.world.sts.faults().add(EXCHANGE, Fault::Error(code), Some(1));
        for _ in 0..10 {
            assert_eq!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
            scene.recorder.wait_for("refused", round).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(scene.calls(EXCHANGE), 1 + round, "{code:?}");
        scene.clock.advance(5 * SECOND);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_renews_nothing_and_ends_nothing() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    let alice = caller(&scene.token("alice")).await;
    let first = ask(&stack, &alice).await.unwrap();
    scene.clock.rewind(600 * MINUTE);
    assert_eq!(ask(&stack, &alice).await.unwrap().access_key_id(), first.access_key_id());
    assert_eq!(scene.calls(EXCHANGE), 1);
}

#[tokio::test]
async fn credentials_can_end_with_their_caller() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::caller().ending_with_caller().build().unwrap());
    let of = |minutes: i64| {
        let token = scene.mint("alice").expires_in(60 * minutes).token();
        let ends = scene.clock.now() + MINUTE * u32::try_from(minutes).unwrap();
        async move { vouch_until(claims_of(&token), Some(&token), Some(ends)).await }
    };
    let (short, long) = (of(10).await, of(90).await);
    let first = ask(&stack, &short).await.unwrap();
    assert_eq!(ask(&stack, &long).await.unwrap().access_key_id(), first.access_key_id());
    scene.clock.advance(11 * MINUTE);
    let second = ask(&stack, &long).await.unwrap();
    assert_ne!(second.access_key_id(), first.access_key_id());
    scene.clock.advance(30 * MINUTE);
    assert_eq!(ask(&stack, &long).await.unwrap().access_key_id(), second.access_key_id());
}

#[tokio::test]
async fn what_is_over_does_not_lie_around() {
    let scene = Scene::new().await;
    let cache = scene.cache(scene.sts().build().unwrap());
    let user = stack(&cache, world::USER, Session::default());
    for n in 0..20 {
        ask_with(&user, &scene.token(&format!("person-{n}"))).await.unwrap();
    }
    let full = cache.bytes();
    scene.clock.advance(61 * MINUTE);
    ask_with(&user, &scene.token("alice")).await.unwrap();
    while cache.bytes() * 10 > full {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn somebody_is_forgotten_at_once() {
    let scene = Scene::new().await;
    let cache = scene.cache(scene.sts().build().unwrap());
    let user = stack(&cache, world::USER, Session::default());
    let (alice, bob) = (caller(&scene.token("alice")).await, caller(&scene.token("bob")).await);
    let (first, other) = (ask(&user, &alice).await.unwrap(), ask(&user, &bob).await.unwrap());
    assert!(cache.bytes() > 1_000);

    cache.forget_caller(scene.world.idp.issuer(), "alice");
    assert_ne!(ask(&user, &alice).await.unwrap().access_key_id(), first.access_key_id());
    assert_eq!(ask(&user, &bob).await.unwrap().access_key_id(), other.access_key_id());

    assert!(cache.forget_credentials(other.access_key_id()));
    assert!(!cache.forget_credentials(other.access_key_id()));
    assert_ne!(ask(&user, &bob).await.unwrap().access_key_id(), other.access_key_id());

    cache.forget_all();
    ask(&user, &alice).await.unwrap();
    ask(&user, &bob).await.unwrap();
    assert_eq!(scene.calls(EXCHANGE), 6);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_the_latest_stay() {
    let scene = Scene::new().await;
    let cache = CredentialCache::builder(scene.sts().build().unwrap())
        .with_clock(scene.our_clock())
        .with_capacity(10)
        .build();
    let user = stack(&cache, world::USER, Session::default());
    for n in 0..50 {
        let token = scene.token(&format!("person-{n}"));
        let person = caller(&token).await;
        let first = ask(&user, &person).await.unwrap();
        assert_eq!(ask(&user, &person).await.unwrap().access_key_id(), first.access_key_id(), "{n}");
    }
    assert_eq!(scene.calls(EXCHANGE), 50);
    ask_with(&user, &scene.token("person-49")).await.unwrap();
    assert!(cache.entries() <= 10 && cache.bytes() < 50_000, "{} {}", cache.entries(), cache.bytes());
}

#[tokio::test]
async fn the_audit_log_says_who_became_what() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    let credentials = ask_with(&stack, &scene.token("alice")).await.unwrap();
    let call = scene.last_call();
    let (issuer, id) = (scene.world.idp.issuer(), credentials.access_key_id());
    assert_eq!(
        scene.recorder.audit(),
        [format!("alice of {issuer} became {} as alice ({id}, request {})", world::USER, call.request_id)]
    );
    assert_eq!(scene.recorder.count("call"), 1);
}
