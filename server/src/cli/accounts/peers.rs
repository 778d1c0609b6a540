//! Two processes that share a Redis. `./tests/run --only peers` prepares it.

use super::{Backend, Client, HOUR, House, process::Process};
use crate::{
    config,
    store::{Connections, Store, peers::server::Server},
};
use countersign::tokens::{Connection, TokenStore};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

const EACH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_in_two_processes_spend_a_refresh_token_once() {
    let (house, backend, redis) = (House::new().await, Backend::of("github").await, Server::start(&[]).await);
    let (text, path) =
        house.written(&backend, |_| format!("redis: {{address: '127.0.0.1:{}'}}", redis.port()));
    let store =
        Store::described(config::parse("gateway.yaml", &text).unwrap().0.store.unwrap()).await.unwrap();
    let connections = Connections::new(store);
    let alice = house.account("alice", "github");
    connections.connect(&alice, &backend.connected_long_ago("alice").await).await.unwrap();
    let asked_before = backend.provider.hits("/token");

    let processes = [Process::start(&path).await, Process::start(&path).await];
    let mut asking = JoinSet::new();
    for process in &processes {
        let token = house.issuer.mint("alice").audience(&process.endpoint).token();
        for _ in 0..EACH {
            let client = Client::new(&process.endpoint, token.clone());
            asking.spawn(async move { client.call().await });
        }
    }
    let answers = asking.join_all().await;
    let good = |answer: &&Value| answer["result"]["content"][0]["type"] == "text";
    let served = answers.iter().filter(good).count();
    let refreshed = backend.provider.hits("/token") - asked_before;
    let tokens: BTreeSet<_> = backend.tap.bearer_tokens().into_iter().collect();
    println!("{served} of {} requests were served, after {refreshed} refresh", answers.len());
    assert_eq!((served, refreshed, tokens.len()), (2 * EACH, 1, 1));

    // The token that came for the spent one is there, so that the next renewal works as well.
    let kept = connections.load(&alice).await.unwrap().unwrap();
    assert!(!kept.is_being_renewed());
    let long_ago = backend.provider.clock().now() - 2 * HOUR;
    let ended = Connection::new("old".into(), long_ago)
        .with_expires(long_ago + HOUR)
        .with_refresh_token(kept.refresh_token().unwrap().clone());
    connections.connect(&alice, &ended).await.unwrap();
    drop(processes);
    let again = Process::start(&path).await;
    let token = house.issuer.mint("alice").audience(&again.endpoint).token();
    let answer = Client::new(&again.endpoint, token).call().await;
    assert!(good(&&answer), "{answer}");
    assert_eq!(backend.provider.hits("/token") - asked_before, 2);
}
