//! `countersign rotate` while people call tools and STS keeps the keys that it has read.

use super::signed_in;
use crate::{
    gateway::message,
    signing_in::{Account, House, Keeping},
};
use countersign_fixtures::idp;
use countersign_tests::{client::Plain, person::Person};
use serde_json::Value;
use std::collections::BTreeSet;

/// Each of them is somebody new at each gateway, so that STS is shown a token for each call.
const PEOPLE: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_from_beside_and_no_call_fails() {
    let (redis, _kept) = House::redis().await;
    let house = House::new(Keeping::In(&redis)).await;
    let mut gateways = house.gateways().await;
    let app = house.register("none").await;
    let mut accounts = Vec::new();
    for nth in 0..PEOPLE {
        let who = format!("person-{nth}");
        house.world.idp.add_person(idp::Person::new(&who));
        accounts.push(signed_in(&house, &app, &mut Person::called(&who)).await);
    }
    let (of_tokens, of_sts) = ("/.well-known/jwks.json", "/aws/.well-known/jwks.json");
    let (before, for_sts) = (kids(&house, 0, of_tokens).await, kids(&house, 0, of_sts).await);
    assert_eq!((before.len(), for_sts.len()), (1, 1));

    let rotate = async || house.run("rotate", &[]).await;
    for (nth, account) in accounts.iter().enumerate() {
        let calling = call_at_both(&house, account);
        match nth {
            4 => assert_eq!(tokio::join!(calling, rotate()).1, "other keys are published\n"),
            8 => assert_eq!(tokio::join!(calling, rotate()).1, "other keys were on their way already\n"),
            // This one has read the store; the other has not looked yet.
            12 => {
                calling.await;
                let old = gateways.pop().unwrap();
                old.kill().await;
                gateways.push(house.gateway(1).await);
            }
            // Whoever of the two is asked: what signs is among the keys.
            16 | 18 | 20 => {
                house.world.sts.forget_keys();
                calling.await;
            }
            _ => calling.await,
        }
    }
    for (path, before) in [(of_tokens, &before), (of_sts, &for_sts)] {
        let after = kids(&house, 1, path).await;
        assert!(after.len() == 2 && after.is_superset(before), "{path}: {after:?}");
    }
    // Tokens of after the rotation are good at both, too.
    let late = signed_in(&house, &app, &mut Person::called("alice")).await;
    call_at_both(&house, &late).await;
    let calls = house.world.sts.log();
    let good = calls.iter().filter(|call| call.outcome == "ok").count();
    println!("{good} of {} tokens were believed", calls.len());
    assert_eq!((good, calls.len()), (2 * (PEOPLE + 1), 2 * (PEOPLE + 1)));
}

async fn call_at_both(house: &House, account: &Account) {
    let call = async |which: usize| {
        let answer = house.call(&house.straight(which), &account.access, "warehouse__whoami").await;
        assert_eq!(message(&answer)["result"]["isError"], false, "{}", answer.text());
    };
    tokio::join!(call(0), call(1));
}

/// The names of the keys that a gateway publishes.
async fn kids(house: &House, which: usize, path: &str) -> BTreeSet<String> {
    let set = Plain::default().fetch(&format!("{}{path}", house.straight(which))).await.json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    set["keys"].as_array().unwrap().iter().map(kid).collect()
}
