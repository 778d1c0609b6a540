//! A Redis that is killed and comes back.

use super::server::{Server, connected};
use crate::store::{
    Expect, Kind, Notice,
    contract::{CODES, EVENTS, LONG, PEOPLE, long},
    redis::Redis,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A write was sent, and no answer came.
    Unknown,
    There,
    Spent,
}

/// What the writers of a test share.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    moved: Notify,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_while_it_is_killed() {
    let mut server = Server::start(&[]).await;
    let stores = [connected(&server.settings()).await, connected(&server.settings()).await];
    let progress = Arc::new(Progress::default());
    let mut writing = JoinSet::new();
    for task in 0..8 {
        let (store, progress) = (stores[task % 2].clone(), Arc::clone(&progress));
        writing.spawn(async move {
            let mut codes = BTreeMap::new();
            for number in 0.. {
                if progress.stop.load(Ordering::Relaxed) {
                    break;
                }
                let key = CODES.key(&[&format!("{task}/{number}")]);
                let terms = long().under(PEOPLE.index(&["ann"]));
                let state = match store.put(&key, &number, &terms, Expect::Absent).await {
                    Ok(version) => {
                        version.expect("no other has this key");
                        if number % 3 == 0 { State::There } else { spent(store.take(&key).await, number) }
                    }
                    Err(error) => failed(&error),
                };
                codes.insert(key, state);
                if state != State::Unknown {
                    progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                progress.moved.notify_one();
            }
            codes
        });
    }
    for round in 1..=3 {
        reach(&progress, round * 200).await;
        server.kill().await;
        server.restart().await;
    }
    reach(&progress, 900).await;
    progress.stop.store(true, Ordering::Relaxed);
    let codes: BTreeMap<_, _> = writing.join_all().await.into_iter().flatten().collect();
    for (key, state) in &codes {
        let there = stores[0].get::<u32>(key).await.unwrap().is_some();
        match state {
            State::There => assert!(there, "acknowledged, and lost"),
            State::Spent => assert!(!there, "spent, and there again"),
            State::Unknown => {}
        }
    }
    let count = |wanted| codes.values().filter(|state| **state == wanted).count();
    let (there, gone, unknown) = (count(State::There), count(State::Spent), count(State::Unknown));
    println!("3 kills: {there} there, {gone} spent, {unknown} unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_again_and_knows_that_it_missed_something() {
    let mut server = Server::start(&[]).await;
    let (store, other) = (connected(&server.settings()).await, connected(&server.settings()).await);
    let mut listener = other.listen::<String>(EVENTS).await.unwrap();
    store.publish(EVENTS, &"before").await.unwrap();
    assert_eq!(listener.next().await, Notice::Message("before".to_owned()));
    server.kill().await;
    server.restart().await;
    assert_eq!(listener.next().await, Notice::Missed);
    let said = Instant::now();
    store.publish(EVENTS, &"after").await.unwrap();
    assert_eq!(listener.next().await, Notice::Message("after".to_owned()));
    assert!(said.elapsed() < Duration::from_secs(1), "{:?}", said.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_redis_is_told_at_once_and_found_again() {
    let mut server = Server::start(&[]).await;
    let store = connected(&server.settings()).await;
    server.kill().await;
    let asked = Instant::now();
    let error = store.add(&CODES.key(&["a"]), 1, LONG).await.unwrap_err();
    assert!([Kind::Unavailable, Kind::Unknown].contains(&error.kind()), "{error:?}");
    let error = store.get::<u32>(&CODES.key(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(Redis::connect(&server.settings()).await.unwrap_err().kind(), Kind::Unavailable);
    assert!(store.listen::<u32>(EVENTS).await.is_err());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    server.restart().await;
    assert_eq!(store.add(&CODES.key(&["a"]), 1, LONG).await.unwrap(), 1);
}

/// A Redis that hangs is not one that is gone: every answer is waited for, and no longer than said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_given_up() {
    let server = Server::start(&[]).await;
    let mut settings = server.settings();
    settings.patience.answer = Duration::from_millis(300);
    settings.patience.connect = Duration::from_millis(300);
    let store = connected(&settings).await;
    server.hang().await;
    let asked = Instant::now();
    let mut waiting = JoinSet::new();
    for number in 0..1_000 {
        let store = store.clone();
        waiting.spawn(async move { store.take::<u32>(&CODES.key(&[&number.to_string()])).await });
    }
    let errors: Vec<_> = waiting.join_all().await.into_iter().filter_map(Result::err).collect();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(errors.len(), 1_000);
    assert!(errors.iter().any(|error| error.kind() == Kind::Unknown), "the first were sent");
}

async fn reach(progress: &Progress, acknowledged: usize) {
    let reached = async {
        while progress.acknowledged.load(Ordering::Relaxed) < acknowledged {
            progress.moved.notified().await;
        }
    };
    timeout(Duration::from_secs(60), reached).await.expect("it goes on");
}

fn spent(taken: Result<Option<u32>, crate::store::Error>, number: u32) -> State {
    match taken {
        Ok(taken) => {
            assert_eq!(taken, Some(number));
            State::Spent
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &crate::store::Error) -> State {
    assert!([Kind::Unavailable, Kind::Unknown].contains(&error.kind()), "{error:?}");
    State::Unknown
}
