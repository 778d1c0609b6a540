//! Values at rest.

use super::{CODES, PEOPLE, Subject, long, seal, sealing_key};
use crate::store::{Expect, Kind, Seal};

pub(in crate::store) async fn opens_with_former_keys(subject: &Subject) {
    let key = CODES.key(&["a"]);
    subject.store.put(&key, &"first", &long(), Expect::Absent).await.unwrap().unwrap();
    let rotated = subject.other.with_seal(Seal::new(sealing_key(8), vec![sealing_key(7)]));
    let stored = rotated.get::<String>(&key).await.unwrap().unwrap();
    assert_eq!(stored.value, "first");
    rotated.put(&key, &"second", &long(), Expect::Version(stored.version)).await.unwrap().unwrap();
    let done = subject.store.with_seal(Seal::new(sealing_key(8), Vec::new()));
    assert_eq!(done.take::<String>(&key).await.unwrap().as_deref(), Some("second"));
}

pub(in crate::store) async fn refuses_what_other_keys_sealed(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let terms = long().under(PEOPLE.index(&["ann"]));
    subject.store.put(&key, &"sealed", &terms, Expect::Absent).await.unwrap().unwrap();
    let foreign = subject.other.with_seal(Seal::new(sealing_key(9), Vec::new()));
    assert_eq!(foreign.get::<String>(&key).await.unwrap_err().kind(), Kind::Unreadable);
    let listed = foreign.list::<String>(&PEOPLE.index(&["ann"]), None).await;
    assert_eq!(listed.unwrap_err().kind(), Kind::Unreadable);
    // Revoking somebody needs no key.
    assert_eq!(foreign.remove_all(&PEOPLE.index(&["ann"])).await.unwrap(), 1);
    assert_eq!(subject.store.with_seal(seal()).get::<String>(&key).await.unwrap(), None);
}

pub(in crate::store) async fn refuses_another_form(subject: &Subject) {
    let key = CODES.key(&["a"]);
    subject.store.put(&key, &"hunter2", &long(), Expect::Absent).await.unwrap().unwrap();
    let error = subject.store.get::<u32>(&key).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreadable);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

pub(in crate::store) async fn bounds_values(subject: &Subject) {
    let key = CODES.key(&["a"]);
    let large = "x".repeat(256 * 1024 - 2);
    subject.store.put(&key, &large, &long(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(subject.other.get::<String>(&key).await.unwrap().unwrap().value, large);
    let error = subject.store.put(&key, &(large + "x"), &long(), Expect::Anything).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
}

pub(in crate::store) async fn shows_no_secret(subject: &Subject) {
    let key = CODES.key(&["hunter1"]);
    subject.store.put(&key, &"hunter2", &long(), Expect::Absent).await.unwrap().unwrap();
    let held = subject.store.lock(&key, super::LONG).await.unwrap();
    let shown = format!("{:?} {key:?} {held:?}", subject.store);
    assert!(!shown.contains("hunter"), "{shown}");
}
