//! Records, versions, lifetimes.

use super::{CODES, LONG, SHORT, Subject, long, short};
use crate::store::{Expect, Key, Store, Terms};
use std::{future::Future, time::Duration};
use tokio::task::JoinSet;

pub(in crate::store) async fn reads_what_was_written(subject: &Subject) {
    let key = CODES.key(&["a"]);
    assert_eq!(text(&subject.store, &key).await, None);
    let version = subject.store.put(&key, &"first", &long(), Expect::Anything).await.unwrap().unwrap();
    let stored = subject.other.get::<String>(&key).await.unwrap().unwrap();
    assert_eq!((&*stored.value, stored.version, &stored.key), ("first", version, &key));
    let next = subject.other.put(&key, &"second", &long(), Expect::Anything).await.unwrap().unwrap();
    assert_ne!(next, version);
    assert_eq!(text(&subject.store, &key).await.as_deref(), Some("second"));
    assert_eq!(text(&subject.store, &CODES.key(&["b"])).await, None);
}

pub(in crate::store) async fn writes_what_is_absent_once(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let outcomes = at_once(50, |turn| {
        let (store, key) = (subject.by_turns(turn), key.clone());
        async move { store.put(&key, &turn, &long(), Expect::Absent).await.unwrap().is_some() }
    });
    let wrote = outcomes.await.into_iter().filter(|wrote| *wrote).count();
    assert_eq!(wrote, 1);
}

pub(in crate::store) async fn replaces_the_version_it_read(subject: &Subject) {
    let (store, key) = (&subject.store, CODES.key(&["a"]));
    let first = store.put(&key, &"first", &long(), Expect::Absent).await.unwrap().unwrap();
    let second = store.put(&key, &"second", &long(), Expect::Version(first)).await.unwrap().unwrap();
    assert_eq!(subject.other.put(&key, &"stale", &long(), Expect::Version(first)).await.unwrap(), None);
    assert_eq!(text(store, &key).await.as_deref(), Some("second"));
    assert!(subject.other.put(&key, &"third", &long(), Expect::Version(second)).await.unwrap().is_some());
}

pub(in crate::store) async fn never_takes_a_new_record_for_an_old_one(subject: &Subject) {
    let (store, key) = (&subject.store, CODES.key(&["a"]));
    let old = store.put(&key, &"same", &long(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(store.take::<String>(&key).await.unwrap().as_deref(), Some("same"));
    assert_eq!(store.put(&key, &"late", &long(), Expect::Version(old)).await.unwrap(), None);
    store.put(&key, &"same", &long(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(store.put(&key, &"late", &long(), Expect::Version(old)).await.unwrap(), None);
    assert!(!store.remove(&key, Expect::Version(old)).await.unwrap());
    assert_eq!(text(store, &key).await.as_deref(), Some("same"));
}

pub(in crate::store) async fn loses_no_update(subject: &Subject) {
    let key = CODES.key(&["sum"]);
    subject.store.put(&key, &0_u32, &long(), Expect::Absent).await.unwrap().unwrap();
    at_once(10, |turn| {
        let (store, key) = (subject.by_turns(turn), key.clone());
        async move {
            for _ in 0..10 {
                add_one(&store, &key).await;
            }
        }
    })
    .await;
    assert_eq!(subject.store.get::<u32>(&key).await.unwrap().unwrap().value, 100);
}

pub(in crate::store) async fn gives_a_record_to_one_taker(subject: &Subject) {
    for code in 0..5 {
        let key = CODES.key(&[&code.to_string()]);
        subject.store.put(&key, &code, &long(), Expect::Absent).await.unwrap().unwrap();
        let outcomes = at_once(40, |turn| {
            let (store, key) = (subject.by_turns(turn), key.clone());
            async move { store.take::<u32>(&key).await.unwrap() }
        });
        let taken: Vec<_> = outcomes.await.into_iter().flatten().collect();
        assert_eq!(taken, [code]);
        assert_eq!(subject.store.get::<u32>(&key).await.unwrap(), None);
    }
}

pub(in crate::store) async fn removes_what_is_expected(subject: &Subject) {
    let (store, key) = (&subject.store, CODES.key(&["a"]));
    assert!(!store.remove(&key, Expect::Anything).await.unwrap());
    let old = store.put(&key, &"old", &long(), Expect::Absent).await.unwrap().unwrap();
    let new = store.put(&key, &"new", &long(), Expect::Anything).await.unwrap().unwrap();
    assert!(!store.remove(&key, Expect::Version(old)).await.unwrap());
    assert!(!store.remove(&key, Expect::Absent).await.unwrap());
    assert!(store.remove(&key, Expect::Version(new)).await.unwrap());
    assert_eq!(text(&subject.other, &key).await, None);
}

pub(in crate::store) async fn forgets_what_has_expired(subject: &Subject) {
    let (store, key, kept) = (&subject.store, CODES.key(&["a"]), CODES.key(&["b"]));
    let version = store.put(&key, &"short", &short(), Expect::Absent).await.unwrap().unwrap();
    store.put(&kept, &"long", &long(), Expect::Absent).await.unwrap().unwrap();
    subject.pass(SHORT + Duration::from_millis(100)).await;
    assert_eq!(text(store, &key).await, None);
    assert_eq!(store.take::<String>(&key).await.unwrap(), None);
    assert_eq!(store.put(&key, &"late", &long(), Expect::Version(version)).await.unwrap(), None);
    assert!(store.put(&key, &"again", &long(), Expect::Absent).await.unwrap().is_some());
    assert_eq!(text(&subject.other, &kept).await.as_deref(), Some("long"));
}

pub(in crate::store) async fn keeps_what_was_written_anew(subject: &Subject) {
    let (store, key, shortened) = (&subject.store, CODES.key(&["a"]), CODES.key(&["b"]));
    store.put(&key, &"first", &short(), Expect::Absent).await.unwrap().unwrap();
    store.put(&key, &"second", &long(), Expect::Anything).await.unwrap().unwrap();
    store.put(&shortened, &"first", &long(), Expect::Absent).await.unwrap().unwrap();
    store.put(&shortened, &"second", &short(), Expect::Anything).await.unwrap().unwrap();
    subject.pass(SHORT + Duration::from_millis(100)).await;
    assert_eq!(text(store, &key).await.as_deref(), Some("second"));
    assert_eq!(text(store, &shortened).await, None);
    // What clears away must not follow the lifetime that is over.
    store.put(&CODES.key(&["c"]), &"other", &long(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(text(store, &key).await.as_deref(), Some("second"));
}

pub(in crate::store) async fn ends_at_once_without_a_lifetime(subject: &Subject) {
    let (store, key) = (&subject.store, CODES.key(&["a"]));
    store.put(&key, &"gone", &Terms::lasting(Duration::ZERO), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(text(store, &key).await, None);
    store.put(&key, &"first", &long(), Expect::Absent).await.unwrap().unwrap();
    store.put(&key, &"gone", &Terms::lasting(Duration::ZERO), Expect::Anything).await.unwrap().unwrap();
    assert_eq!(text(store, &key).await, None);
}

pub(in crate::store) async fn raises_and_never_lowers(subject: &Subject) {
    let key = CODES.key(&["epoch"]);
    at_once(20, |turn| {
        let (store, key) = (subject.by_turns(turn), key.clone());
        let to = u64::try_from(turn * 7 % 20).unwrap();
        async move {
            let is = store.raise(&key, to, &Terms::lasting(LONG)).await.unwrap();
            assert!(is >= to, "{is} after raising to {to}");
        }
    })
    .await;
    assert_eq!(subject.store.get::<u64>(&key).await.unwrap().unwrap().value, 19);
    assert_eq!(subject.store.raise(&key, 3, &long()).await.unwrap(), 19);
}

pub(in crate::store) async fn text(store: &Store, key: &Key) -> Option<String> {
    store.get(key).await.unwrap().map(|stored| stored.value)
}

/// Runs `work` as that many tasks, and collects what each came to, in no order.
pub(in crate::store) async fn at_once<W>(tasks: usize, work: impl Fn(usize) -> W) -> Vec<W::Output>
where
    W: Future<Output: Send + 'static> + Send + 'static,
{
    let mut running = JoinSet::new();
    for turn in 0..tasks {
        running.spawn(work(turn));
    }
    running.join_all().await
}

async fn add_one(store: &Store, key: &Key) {
    loop {
        let stored = store.get::<u32>(key).await.unwrap().unwrap();
        let expect = Expect::Version(stored.version);
        if store.put(key, &(stored.value + 1), &long(), expect).await.unwrap().is_some() {
            return;
        }
    }
}
