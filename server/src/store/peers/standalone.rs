//! One Redis, several connections.

use super::server::{Server, connected, patient, subject};
use crate::store::{
    Expect, Kind,
    contract::{CODES, LONG, PEOPLE, every_rule, long, records::at_once},
    engine::Engine,
    record::Version,
    redis::{Credentials, Deployment, Redis},
};
use redis::AsyncCommands;
use std::{collections::BTreeMap, error::Error, fs, sync::Arc};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_redis_keeps_the_contract() {
    let server = Server::start(&[]).await;
    let settings = server.settings();
    every_rule!(subject(&settings));
}

/// Two servers on one Redis, and clients that present each code ten times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_codes_are_redeemed_a_thousand_times() {
    let server = Server::start(&[]).await;
    let stores = Arc::new([connected(&server.settings()).await, connected(&server.settings()).await]);
    at_once(1_000, |code| {
        let stores = Arc::clone(&stores);
        async move {
            let key = CODES.key(&[&code.to_string()]);
            stores[0].put(&key, &code, &long(), Expect::Absent).await.unwrap().unwrap();
        }
    })
    .await;
    let redeemed = at_once(10_000, |turn| {
        let stores = Arc::clone(&stores);
        async move { stores[turn % 2].take::<usize>(&CODES.key(&[&(turn / 10).to_string()])).await.unwrap() }
    });
    let mut redeemed: Vec<_> = redeemed.await.into_iter().flatten().collect();
    println!("{} of 10,000 redemptions succeeded", redeemed.len());
    redeemed.sort_unstable();
    assert_eq!(redeemed, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_may_be_repeated() {
    let server = Server::start(&[]).await;
    let redis = Redis::connect(&server.settings()).await.unwrap();
    let (key, version) = (CODES.key(&["a"]), Version::new().unwrap());
    let terms = long().under(PEOPLE.index(&["ann"]));
    for _ in 0..2 {
        assert!(redis.put(&key, version, b"sealed".to_vec(), &terms, Expect::Absent).await.unwrap());
    }
    assert_eq!(redis.list(&PEOPLE.index(&["ann"]), None).await.unwrap().records.len(), 1);
    let other = Version::new().unwrap();
    assert!(!redis.put(&key, other, b"sealed".to_vec(), &terms, Expect::Absent).await.unwrap());
}

#[tokio::test]
async fn nothing_stays_for_ever_and_nothing_tells_a_secret() {
    let server = Server::start(&[]).await;
    let store = connected(&server.settings()).await;
    let person = "ann.example@login.example.com";
    for number in 0..20 {
        let secret = format!("s3cr3t-{number}");
        let terms = long().under(PEOPLE.index(&[person]));
        let key = CODES.key(&[&secret]);
        store.put(&key, &secret, &terms, Expect::Absent).await.unwrap().unwrap();
        store.add(&key, 1, LONG).await.unwrap();
        let held = store.lock(&key, LONG).await.unwrap().unwrap();
        assert!(store.unlock(held).await.unwrap());
    }
    let mut directly = server.directly().await;
    let keys: Vec<String> = directly.keys("*").await.unwrap();
    assert_eq!(keys.len(), 20 + 20 + 20 + 1);
    let mut lasting = BTreeMap::new();
    for key in &keys {
        lasting.insert(key, directly.ttl::<_, i64>(key).await.unwrap());
    }
    assert!(lasting.values().all(|seconds| *seconds > 0), "{lasting:?}");
    let mut files = 0;
    for entry in fs::read_dir(server.folder().join("appendonlydir")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for secret in ["s3cr3t", person, "ann.example"] {
            let seen = bytes.windows(secret.len()).any(|seen| seen == secret.as_bytes());
            assert!(!seen, "{secret} is on the disk");
        }
        files += usize::from(bytes.windows(6).any(|seen| seen == b"codes:"));
    }
    assert_eq!(files, 1, "this is where they are");
    // What is gone leaves no entry behind.
    assert_eq!(store.remove_all(&PEOPLE.index(&[person])).await.unwrap(), 20);
    let left: Vec<String> = directly.keys("*:[ri]:*").await.unwrap();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn a_redis_that_drops_what_is_valid_is_refused() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let error = Redis::connect(&server.settings()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setting);
    assert!(error.to_string().contains("noeviction"), "{error}");
    let server = Server::start(&["--maxmemory", "100mb"]).await;
    Redis::connect(&server.settings()).await.unwrap();
}

#[tokio::test]
async fn a_password_is_needed_and_never_shown() {
    let server = Server::start(&["--requirepass", "hunter1"]).await;
    let mut settings = server.settings();
    let error = Redis::connect(&settings).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setting, "{error:?}");
    settings.credentials = Some(Credentials { username: None, password: "hunter2".into() });
    let error = Redis::connect(&settings).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setting, "{error:?}");
    assert!(!format!("{error:?} {settings:?}").contains("hunter"), "{error:?}");
    settings.credentials = Some(Credentials { username: None, password: "hunter1".into() });
    Redis::connect(&settings).await.unwrap();
    settings.credentials =
        Some(Credentials { username: Some("default".to_owned()), password: "hunter1".into() });
    Redis::connect(&settings).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_no_store() {
    let primary = Server::start(&[]).await;
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]).await;
    let redis = Redis::connect(&patient(Deployment::Standalone(replica.address()))).await.unwrap();
    let error = redis.lock(&CODES.key(&["a"]), LONG).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let cause = error.source().map(ToString::to_string);
    assert!(error.to_string().contains("replica"), "{error}: {cause:?}");
}
