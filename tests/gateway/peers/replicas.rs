//! Two gateways that share a Redis, and people who sign in at both.

mod codes;
mod messages;
mod outage;
mod revoked;
mod rotated;

use crate::{
    crashes::{assert_everything_was_done, assert_nothing_is_told},
    signing_in::{Account, App, BACK, House, Keeping, parameter},
};
use countersign_tests::person::Person;

/// What somebody's client gets who signs in.
async fn signed_in(house: &House, app: &App, person: &mut Person) -> Account {
    let code = parameter(&person.walk(&house.authorize(app), BACK).await, "code");
    let mut account = Account::default();
    account.take(&app.redeem(&house.issuer, &code).await.unwrap(), code, &house.secrets);
    house.secrets.keep(person.carried());
    account
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_has_on_its_disk_says_nothing() {
    let (redis, kept) = House::redis().await;
    let house = House::new(Keeping::In(&redis)).await;
    let gateways = house.gateways().await;
    assert_everything_was_done(&house).await;
    assert_nothing_is_told(&house, kept.path(), "at work");
    for gateway in gateways {
        let log = gateway.log().lines().join("\n");
        assert!(!log.is_empty());
        house.secrets.assert_not_in(log.as_bytes(), "the log");
        gateway.kill().await;
    }
    drop(redis);
    assert_nothing_is_told(&house, kept.path(), "after its end");
}
