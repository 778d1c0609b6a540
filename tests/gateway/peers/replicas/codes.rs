//! Codes that are presented again and again, here and there, all at once.

use crate::{
    gateway::message,
    signing_in::{App, BACK, House, Keeping, parameter},
};
use countersign_fixtures::idp;
use countersign_tests::{
    client::{Answer, Plain},
    person::Person,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Instant};
use tokio::{sync::Semaphore, task::JoinSet};

const PEOPLE: usize = 20;
/// How often each of them signs in.
const SIGN_INS: usize = 50;
/// How often each code is presented.
const TIMES: usize = 10;
/// How many codes are presented at a time.
const AT_ONCE: usize = 16;
/// Of so many codes one is looked at afterwards.
const LOOKED_AT: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_codes_gives_tokens_once_and_nothing_of_them_lasts() {
    // It is not killed here, and no disk makes ten thousand wait.
    let (redis, _kept) = House::redis_with(&["--save", ""]).await;
    let house = Arc::new(House::new(Keeping::In(&redis)).await);
    let _gateways = house.gateways().await;
    let app = App { http: Plain::default(), ..house.register("none").await };
    let begun = Instant::now();
    let codes = codes(&house, &app).await;
    println!("{} people signed in {SIGN_INS} times each in {:?}", PEOPLE, begun.elapsed());
    assert_eq!(codes.len(), PEOPLE * SIGN_INS);

    let begun = Instant::now();
    let (turns, mut presented) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for code in codes {
        let (house, app, turns) = (house.clone(), app.clone(), turns.clone());
        presented.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let servers = [house.straight(0), house.straight(1)];
            let tries = (0..TIMES).map(|nth| app.redeem(&servers[nth % 2], &code));
            join_all(tries).await.into_iter().map(Option::unwrap).collect::<Vec<_>>()
        });
    }
    let answers = presented.join_all().await;
    let good = |answer: &&Answer| answer.status == 200;
    let granted: Vec<_> = answers.iter().map(|of_code| of_code.iter().filter(good).count()).collect();
    let successes: usize = granted.iter().sum();
    let (tries, took) = (answers.len() * TIMES, begun.elapsed());
    println!("{successes} of {tries} redemptions of {} codes succeeded, in {took:?}", answers.len());
    assert!(granted.iter().all(|times| *times == 1), "not each of them once: {granted:?}");
    for answer in answers.iter().flatten().filter(|answer| !good(answer)) {
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &"invalid_grant".into()));
    }

    // A code that is presented twice ends what came of it (RFC 6749, section 4.1.2), whoever was first.
    let mut ended = JoinSet::new();
    for (nth, answer) in answers.iter().flatten().filter(good).step_by(LOOKED_AT).enumerate() {
        let (house, app, turns) = (house.clone(), app.clone(), turns.clone());
        let (tokens, here, there) = (answer.json(), house.straight(nth % 2), house.straight((nth + 1) % 2));
        ended.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let [access, refresh] =
                ["access_token", "refresh_token"].map(|name| tokens[name].as_str().unwrap());
            for token in [access, refresh] {
                assert_eq!(house.introspect(&here, token).await["active"], false);
            }
            assert_eq!(app.refresh(&there, refresh).await.unwrap().status, 400);
            for server in [&here, &there] {
                let called = house.call(server, access, "notes__test_simple_text").await;
                assert_eq!(called.status, 401, "{}", called.text());
            }
        });
    }
    ended.join_all().await;
    // And nobody else's.
    let mut person = Person::called("alice");
    let account = super::signed_in(&house, &app, &mut person).await;
    let called = house.call(&house.straight(0), &account.access, "notes__test_simple_text").await;
    assert_eq!(message(&called)["result"]["isError"], false, "{}", called.text());
}

/// Of whole sign-ins, a browser for each person.
async fn codes(house: &Arc<House>, app: &App) -> Vec<String> {
    let mut people = JoinSet::new();
    for nth in 0..PEOPLE {
        let (house, app, who) = (house.clone(), app.clone(), format!("person-{nth}"));
        house.world.idp.add_person(idp::Person::new(&who));
        people.spawn(async move {
            let (mut person, mut codes) = (Person::called(&who), Vec::new());
            for _ in 0..SIGN_INS {
                codes.push(parameter(&person.walk(&house.authorize(&app), BACK).await, "code"));
            }
            codes
        });
    }
    people.join_all().await.concat()
}
