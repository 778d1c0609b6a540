//! Locks and counters.

use super::{CODES, LONG, SHORT, Subject, long, records::at_once};
use crate::store::Expect;
use std::time::Duration;

pub(in crate::store) async fn gives_a_lock_to_one(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let outcomes = at_once(30, |turn| {
        let (store, key) = (subject.by_turns(turn), key.clone());
        async move { store.lock(&key, LONG).await.unwrap() }
    });
    let mut held: Vec<_> = outcomes.await.into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
    assert!(subject.store.lock(&CODES.key(&["b"]), LONG).await.unwrap().is_some(), "another key is free");
    let held = held.remove(0);
    let before = held.fence();
    assert!(subject.other.unlock(held).await.unwrap());
    let after = subject.other.lock(&key, LONG).await.unwrap().unwrap();
    assert!(after.fence() > before, "{after:?} after {before:?}");
}

pub(in crate::store) async fn passes_a_lock_on_after_its_lease(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let slow = subject.store.lock(&key, SHORT).await.unwrap().unwrap();
    assert!(subject.other.lock(&key, SHORT).await.unwrap().is_none());
    subject.pass(SHORT + Duration::from_millis(100)).await;
    let next = subject.other.lock(&key, LONG).await.unwrap().unwrap();
    assert!(next.fence() > slow.fence());
    assert!(!subject.store.unlock(slow).await.unwrap(), "it is somebody else's");
    assert!(subject.store.lock(&key, LONG).await.unwrap().is_none());
}

pub(in crate::store) async fn refuses_who_came_before(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let slow = subject.store.lock(&key, SHORT).await.unwrap().unwrap();
    subject.pass(SHORT + Duration::from_millis(100)).await;
    let next = subject.other.lock(&key, LONG).await.unwrap().unwrap();
    let late = Expect::Held(slow.fence());
    assert_eq!(subject.store.put(&key, &"late", &long(), late).await.unwrap(), None);
    let in_time = Expect::Held(next.fence());
    assert!(subject.other.put(&key, &"in time", &long(), in_time).await.unwrap().is_some());
    assert!(!subject.store.remove(&key, late).await.unwrap());
    assert!(subject.store.remove(&key, in_time).await.unwrap());
}

pub(in crate::store) async fn lets_a_late_holder_finish(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let slow = subject.store.lock(&key, SHORT).await.unwrap().unwrap();
    subject.pass(SHORT + Duration::from_millis(100)).await;
    // Nobody came after: what it has done need not be lost.
    let late = Expect::Held(slow.fence());
    assert!(subject.store.put(&key, &"late", &long(), late).await.unwrap().is_some());
}

pub(in crate::store) async fn refuses_who_released(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let held = subject.store.lock(&key, LONG).await.unwrap().unwrap();
    let fence = Expect::Held(held.fence());
    assert!(subject.store.unlock(held).await.unwrap());
    assert_eq!(subject.store.put(&key, &"late", &long(), fence).await.unwrap(), None);
}

pub(in crate::store) async fn brings_nothing_back(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let held = subject.store.lock(&key, LONG).await.unwrap().unwrap();
    let kept = Expect::Kept(held.fence());
    assert_eq!(subject.store.put(&key, &"never there", &long(), kept).await.unwrap(), None);
    subject.other.put(&key, &"there", &long(), Expect::Absent).await.unwrap().unwrap();
    assert!(subject.store.put(&key, &"renewed", &long(), kept).await.unwrap().is_some());
    // Somebody is revoked meanwhile.
    assert!(subject.other.remove(&key, Expect::Anything).await.unwrap());
    assert_eq!(subject.store.put(&key, &"late", &long(), kept).await.unwrap(), None);
    assert!(!subject.store.remove(&key, kept).await.unwrap());
    assert_eq!(subject.store.get::<String>(&key).await.unwrap(), None);
    let fence = held.fence();
    assert!(subject.store.unlock(held).await.unwrap());
    subject.other.put(&key, &"anew", &long(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(subject.store.put(&key, &"late", &long(), Expect::Kept(fence)).await.unwrap(), None);
}

pub(in crate::store) async fn counts_what_everybody_adds(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let outcomes = at_once(50, |turn| {
        let (store, key) = (subject.by_turns(turn), key.clone());
        async move { store.add(&key, 2, LONG).await.unwrap() }
    });
    let mut counts = outcomes.await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).map(|turn| 2 * turn).collect::<Vec<_>>());
    assert_eq!(subject.other.add(&key, 0, LONG).await.unwrap(), 100);
    assert_eq!(subject.other.add(&CODES.key(&["b"]), 1, LONG).await.unwrap(), 1);
}

pub(in crate::store) async fn counts_anew_after_the_lifetime(subject: &Subject) {
    let key = CODES.key(&["a"]);
    assert_eq!(subject.store.add(&key, 5, SHORT).await.unwrap(), 5);
    // A later addition does not prolong it.
    assert_eq!(subject.store.add(&key, 1, LONG).await.unwrap(), 6);
    subject.pass(SHORT + Duration::from_millis(100)).await;
    assert_eq!(subject.other.add(&key, 1, SHORT).await.unwrap(), 1);
}
