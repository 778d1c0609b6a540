//! Telling everybody who shares the store.

use super::{EVENTS, PEOPLE, Subject};
use crate::store::Notice;

pub(in crate::store) async fn tells_everybody_who_listens(subject: &Subject) {
    let mut here = subject.store.listen::<String>(EVENTS).await.unwrap();
    let mut there = subject.other.listen::<String>(EVENTS).await.unwrap();
    subject.store.publish(EVENTS, &"ann was revoked").await.unwrap();
    for listener in [&mut here, &mut there] {
        assert_eq!(listener.next().await, Notice::Message("ann was revoked".to_owned()));
    }
    drop(there);
    subject.other.publish(EVENTS, &"ben was revoked").await.unwrap();
    assert_eq!(here.next().await, Notice::Message("ben was revoked".to_owned()));
}

pub(in crate::store) async fn tells_in_order(subject: &Subject) {
    let mut listener = subject.other.listen::<u32>(EVENTS).await.unwrap();
    for number in 0..100 {
        subject.store.publish(EVENTS, &number).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(listener.next().await, Notice::Message(number));
    }
}

pub(in crate::store) async fn keeps_channels_apart(subject: &Subject) {
    let mut listener = subject.other.listen::<u32>(EVENTS).await.unwrap();
    subject.store.publish(PEOPLE, &1).await.unwrap();
    subject.store.publish(EVENTS, &2).await.unwrap();
    assert_eq!(listener.next().await, Notice::Message(2));
}
