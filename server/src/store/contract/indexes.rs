//! Finding records by what they have in common.

use super::{
    CODES, PEOPLE, SHORT, Subject, long,
    records::{at_once, text},
    short,
};
use crate::store::{Expect, Index, Store};
use std::{collections::BTreeSet, time::Duration};

pub(in crate::store) async fn finds_under_every_index(subject: &Subject) {
    let (ann, ben) = (PEOPLE.index(&["ann"]), PEOPLE.index(&["ben"]));
    let shared = long().under(ann.clone()).under(ben.clone()).under(ann.clone());
    put(&subject.store, "a", &long().under(ann.clone())).await;
    put(&subject.store, "b", &shared).await;
    put(&subject.store, "c", &long()).await;
    assert_eq!(found(&subject.other, &ann).await, ["a", "b"]);
    assert_eq!(found(&subject.other, &ben).await, ["b"]);
    assert_eq!(found(&subject.other, &PEOPLE.index(&["cid"])).await, [""; 0]);
}

pub(in crate::store) async fn leaves_an_index_with_a_later_write(subject: &Subject) {
    let (ann, ben) = (PEOPLE.index(&["ann"]), PEOPLE.index(&["ben"]));
    put(&subject.store, "a", &long().under(ann.clone())).await;
    put(&subject.store, "b", &long().under(ann.clone())).await;
    put(&subject.store, "c", &long().under(ann.clone())).await;
    put(&subject.other, "a", &long().under(ben.clone())).await;
    assert!(subject.other.remove(&CODES.key(&["b"]), Expect::Anything).await.unwrap());
    put(&subject.other, "c", &long().under(ann.clone())).await;
    assert_eq!(found(&subject.store, &ann).await, ["c"]);
    assert_eq!(found(&subject.store, &ben).await, ["a"]);
}

pub(in crate::store) async fn enters_nothing_in_vain(subject: &Subject) {
    let (ann, ben) = (PEOPLE.index(&["ann"]), PEOPLE.index(&["ben"]));
    put(&subject.store, "a", &long().under(ann.clone())).await;
    let refused = long().under(ben.clone());
    assert_eq!(
        subject.store.put(&CODES.key(&["a"]), &"a", &refused, Expect::Absent).await.unwrap(),
        None,
        "it is there"
    );
    assert_eq!(found(&subject.store, &ben).await, [""; 0]);
    assert_eq!(subject.store.remove_all(&ben).await.unwrap(), 0);
    assert_eq!(found(&subject.store, &ann).await, ["a"]);
}

pub(in crate::store) async fn finds_every_page(subject: &Subject) {
    let ann = PEOPLE.index(&["ann"]);
    let names: BTreeSet<_> = (0..250).map(|number| format!("{number:03}")).collect();
    for batch in names.iter().collect::<Vec<_>>().chunks(50) {
        let writing = batch.iter().map(|name| {
            let (store, ann, name) = (subject.store.clone(), ann.clone(), name.to_string());
            async move { put(&store, &name, &long().under(ann)).await }
        });
        futures_util::future::join_all(writing).await;
    }
    assert_eq!(found(&subject.other, &ann).await, names.into_iter().collect::<Vec<_>>());
    assert_eq!(subject.other.remove_all(&ann).await.unwrap(), 250);
    assert_eq!(found(&subject.store, &ann).await, [""; 0]);
}

pub(in crate::store) async fn removes_all_of_one_and_nothing_else(subject: &Subject) {
    let (ann, ben) = (PEOPLE.index(&["ann"]), PEOPLE.index(&["ben"]));
    put(&subject.store, "a", &long().under(ann.clone())).await;
    put(&subject.store, "b", &long().under(ann.clone()).under(ben.clone())).await;
    put(&subject.store, "c", &long().under(ben.clone())).await;
    assert_eq!(subject.other.remove_all(&ann).await.unwrap(), 2);
    for name in ["a", "b"] {
        assert_eq!(text(&subject.store, &CODES.key(&[name])).await, None, "{name}");
    }
    assert_eq!(found(&subject.store, &ben).await, ["c"]);
}

pub(in crate::store) async fn removes_all_while_others_write(subject: &Subject) {
    let ann = PEOPLE.index(&["ann"]);
    for number in 0..10 {
        put(&subject.store, &number.to_string(), &long().under(ann.clone())).await;
    }
    // Whatever is written anew under the index while it is emptied is there afterwards or is not; it is never half
    // there.
    at_once(11, |turn| {
        let (store, ann) = (subject.by_turns(turn), ann.clone());
        async move {
            if turn == 10 {
                store.remove_all(&ann).await.unwrap();
            } else {
                put(&store, &turn.to_string(), &long().under(ann)).await;
            }
        }
    })
    .await;
    let mut there = Vec::new();
    for number in 0..10 {
        there.extend(text(&subject.store, &CODES.key(&[&number.to_string()])).await);
    }
    assert_eq!(found(&subject.store, &ann).await, there);
    assert_eq!(subject.store.remove_all(&ann).await.unwrap(), u64::try_from(there.len()).unwrap());
}

pub(in crate::store) async fn finds_nothing_expired(subject: &Subject) {
    let ann = PEOPLE.index(&["ann"]);
    put(&subject.store, "a", &short().under(ann.clone())).await;
    put(&subject.store, "b", &long().under(ann.clone())).await;
    put(&subject.store, "c", &short().under(ann.clone())).await;
    put(&subject.store, "c", &long().under(ann.clone())).await;
    subject.pass(SHORT + Duration::from_millis(100)).await;
    assert_eq!(found(&subject.other, &ann).await, ["b", "c"]);
    put(&subject.store, "d", &long().under(ann.clone())).await;
    assert_eq!(found(&subject.other, &ann).await, ["b", "c", "d"]);
    assert_eq!(subject.other.remove_all(&ann).await.unwrap(), 3);
}

async fn put(store: &Store, name: &str, terms: &crate::store::Terms) {
    store.put(&CODES.key(&[name]), &name, terms, Expect::Anything).await.unwrap().unwrap();
}

/// What is found, in order.
async fn found(store: &Store, index: &Index) -> Vec<String> {
    let (mut names, mut from) = (BTreeSet::new(), None);
    loop {
        let page = store.list::<String>(index, from.as_ref()).await.unwrap();
        names.extend(page.records.into_iter().map(|stored| stored.value));
        match page.next {
            Some(next) => from = Some(next),
            None => return names.into_iter().collect(),
        }
    }
}
