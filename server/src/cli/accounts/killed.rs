//! A gateway that is killed while it renews tokens, again and again.

use super::{Backend, Client, House, process::Process};
use crate::{
    config,
    store::{Connections, Store},
};
use countersign_fixtures::idp::Person;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

const ROUNDS: usize = 20;
/// Who has a token renewed in each of them.
const PEOPLE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_that_served_a_caller_is_lost_and_none_is_spent_twice() {
    let (house, backend) = (House::new().await, Backend::of("github").await);
    let (text, path) =
        house.written(&backend, |folder| format!("file: '{}'", folder.join("store.redb").display()));
    let people: Vec<_> = (0..ROUNDS * PEOPLE).map(|number| format!("person-{number}")).collect();
    let store =
        Store::described(config::parse("gateway.yaml", &text).unwrap().0.store.unwrap()).await.unwrap();
    for who in &people {
        backend.provider.add_person(Person::new(who));
        let connection = backend.connected_long_ago(who).await;
        Connections::new(store.clone()).connect(&house.account(who, "github"), &connection).await.unwrap();
    }
    store.close().await;
    drop(store);

    let before = backend.provider.hits("/token");
    let (mut served, mut forgotten) = (BTreeSet::new(), 0);
    for (round, new) in people.chunks(PEOPLE).enumerate() {
        let process = Process::start(&path).await;
        let mut asking = JoinSet::new();
        for who in new {
            let client = client(&house, who, &process);
            let who = who.clone();
            asking.spawn(async move { (who, client.try_call().await) });
        }
        for _ in 0..round % PEOPLE {
            let Some(Ok((who, Some(answer)))) = asking.join_next().await else { panic!("nobody answers") };
            assert_eq!(answer["result"]["content"][0]["type"], "text", "{who}: {answer}");
            served.insert(who);
        }
        process.kill().await;
        // What arrived meanwhile counts as well.
        while let Some(Ok((who, answer))) = asking.join_next().await {
            if answer.is_some_and(|answer| answer["result"]["isError"] == false) {
                served.insert(who);
            }
        }
    }
    let spent = backend.provider.hits("/token") - before;
    let process = Process::start(&path).await;
    for who in &people {
        let answer = client(&house, who, &process).try_call().await.unwrap();
        let is_there = answer["result"]["isError"] == false;
        assert!(is_there || !served.contains(who), "{who} was served, and the token is lost: {answer}");
        forgotten += usize::from(!is_there);
        let told = answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(is_there || told.contains("is not connected"), "{who}: {answer}");
    }
    let all = backend.provider.hits("/token") - before;
    println!(
        "{} served, {forgotten} to be connected anew, {spent} refreshes before the end, {all} in all",
        served.len()
    );
    assert!(served.len() >= ROUNDS * 2, "it has to be killed in the middle of much");
    // A token that was spent is not spent once more, whatever became of the process that did it.
    assert!(all <= u64::try_from(people.len()).unwrap(), "{all} refreshes for {} people", people.len());
}

fn client(house: &House, who: &str, process: &Process) -> Client {
    let token = house.issuer.mint(who).audience(&process.endpoint).token();
    Client::new(&process.endpoint, token)
}
