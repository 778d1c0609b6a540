//! An authorization server that is killed in the middle of sign-ins and refreshes, and what is kept of them.

use crate::signing_in::{Account, App, BACK, House, Keeping, bytes_in, parameter};
use countersign_fixtures::idp;
use countersign_tests::{client::Plain, person::Person};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{sync::Notify, task::JoinSet};

const ROUNDS: usize = 20;
/// Who signs in during each of them.
const PEOPLE: usize = 50;
/// How often each of them gets new tokens.
const REFRESHES: usize = 4;

/// What a person and their client know, and what they do not.
#[derive(Debug, Default)]
struct Met {
    account: Account,
    /// What was sent, and never answered.
    unsure: Option<Sent>,
}

#[derive(Debug)]
enum Sent {
    Code(String),
    Refresh,
}

/// How often somebody was told that something is done.
#[derive(Default)]
struct Told {
    times: AtomicUsize,
    again: Notify,
}

impl Told {
    fn somebody(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.again.notify_one();
    }
}

/// A person who signs in, and whose client renews its tokens until nobody answers any more.
async fn live(house: &House, app: &App, who: &str, told: &Told) -> Met {
    let mut met = Met::default();
    let Ok(back) = Person::called(who).try_walk(&house.authorize(app), BACK).await else {
        return met;
    };
    let code = parameter(&back, "code");
    told.somebody();
    match app.redeem(&house.issuer, &code).await {
        Some(answer) => met.account.take(&answer, code, &house.secrets),
        None => met.unsure = Some(Sent::Code(code)),
    }
    for _ in 0..REFRESHES {
        let Some(last) = met.account.last.clone() else { break };
        told.somebody();
        match app.refresh(&house.issuer, &last).await {
            Some(answer) => met.account.take(&answer, last, &house.secrets),
            None => {
                met.unsure = Some(Sent::Refresh);
                break;
            }
        }
    }
    met
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_told_is_lost_and_nothing_spent_comes_back() {
    let (house, told) = (Arc::new(House::new(Keeping::File).await), Arc::new(Told::default()));
    let mut gateway = house.gateway(0).await;
    let app = house.register("none").await;
    let (mut accounts, mut unsure, mut anew) = (Vec::new(), 0, 0);
    for round in 0..ROUNDS {
        let before = told.times.load(Ordering::Relaxed);
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            let who = format!("person-{round}-{number}");
            house.world.idp.add_person(idp::Person::new(&who));
            let (house, app, told) = (house.clone(), app.clone(), told.clone());
            people.spawn(async move { live(&house, &app, &who, &told).await });
        }
        // Sooner or later in each round.
        let enough = before + 5 + (round * 53) % 180;
        while told.times.load(Ordering::Relaxed) < enough {
            told.again.notified().await;
        }
        gateway.kill().await;
        let met = people.join_all().await;
        gateway = house.gateway(0).await;
        for (nth, Met { mut account, unsure: sent }) in met.into_iter().enumerate() {
            let answer = match (&sent, &account.last) {
                (Some(Sent::Code(code)), _) => app.redeem(&house.issuer, code).await,
                (_, Some(last)) => app.refresh(&house.issuer, last).await,
                (_, None) => continue,
            };
            let answer = answer.expect("it is there again");
            unsure += usize::from(sent.is_some());
            if sent.is_some() && answer.status == 400 {
                // It was taken, and nobody knows by whom: the person signs in once more.
                assert_eq!(answer.json()["error"], "invalid_grant", "{}", answer.text());
                (account.last, anew) = (None, anew + 1);
            } else {
                let sent = match sent {
                    Some(Sent::Code(code)) => code,
                    Some(Sent::Refresh) | None => account.last.take().unwrap(),
                };
                account.take(&answer, sent, &house.secrets);
                if nth % 10 == 0 {
                    let answer = house.note(&account.access).await;
                    assert_eq!(
                        answer["result"]["isError"], false,
                        "the provider's token is there, too: {answer}"
                    );
                }
            }
            accounts.push(account);
        }
    }

    let kept = accounts.iter().filter(|account| account.last.is_some()).count();
    println!(
        "{} told, {unsure} unsure, of whom {anew} sign in anew, {kept} kept",
        told.times.load(Ordering::Relaxed)
    );
    assert!(kept >= ROUNDS * 5 && unsure >= ROUNDS, "it has to be killed in the middle of much");
    for account in &accounts {
        account.assert_spent(&app, &house.issuer).await;
    }
    gateway.kill().await;
    assert_nothing_is_told(&house, house.folder(), "after all of that");
}

#[tokio::test]
async fn what_is_at_rest_says_nothing() {
    let house = House::new(Keeping::File).await;
    let gateway = house.gateway(0).await;
    assert_everything_was_done(&house).await;
    assert_nothing_is_told(&house, house.folder(), "at work");
    gateway.kill().await;
    assert_nothing_is_told(&house, house.folder(), "after its end");
}

/// One who signs in, renews tokens and calls tools; and two who are still on their way: before a page of ours, and before
/// a client that has not come for its tokens.
pub(crate) async fn assert_everything_was_done(house: &House) {
    let app = house.register("client_secret_post").await;
    let (mut alice, mut bob) = (Person::called("alice"), Person::called("bob"));
    let code = parameter(&alice.walk(&house.authorize(&app), BACK).await, "code");
    let mut account = Account::default();
    account.take(&app.redeem(&house.issuer, &code).await.unwrap(), code, &house.secrets);
    let first = account.last.take().unwrap();
    account.take(&app.refresh(&house.issuer, &first).await.unwrap(), first, &house.secrets);
    let answer = house.note(&account.access).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let answer = house.call(&house.issuer, &account.access, "warehouse__whoami").await;
    assert!(answer.text().contains("McpAdmin"), "{}", answer.text());
    for issued in house.world.sts.log().into_iter().filter_map(|call| call.issued) {
        house.secrets.keep([issued]);
    }

    let waiting = Plain::default().fetch(&house.authorize(&app)).await;
    let page = waiting.text();
    let (_, journey) = page.split_once("name=\"journey\" value=\"").unwrap();
    house.secrets.keep([journey.split('"').next().unwrap(), "the state of a client"]);
    bob.walk(&house.authorize(&app), BACK).await;
    house.secrets.keep(alice.carried().chain(bob.carried()));
}

/// No secret that anybody had is in what lies in `folder`.
pub(crate) fn assert_nothing_is_told(house: &House, folder: &Path, when: &str) {
    let bytes = bytes_in(folder, &["gateway.yaml", "sealing", "secret", "auditor"]);
    let is_a_store = |mark: &str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    assert!(is_a_store("redb") || is_a_store("countersign:r:"), "{when}: this is where things are kept");
    let count = house.secrets.assert_not_in(&bytes, when);
    println!("{when}: none of {count} secrets is in {} bytes", bytes.len());
}
