//! What every store does, whatever it is made of.

pub(super) mod indexes;
pub(super) mod locks;
pub(super) mod notices;
pub(super) mod records;
pub(super) mod sealing;

use super::{Namespace, Seal, SealingKey, Store, Terms};
use countersign_fixtures::clock::Clock;
use std::{
    any::Any,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A fresh store, as two replicas see it.
pub(super) struct Subject {
    pub(super) store: Store,
    pub(super) other: Store,
    /// Without one, time passes by itself.
    clock: Option<Clock>,
    _ground: Box<dyn Any + Send + Sync>,
}

/// A clock of the fixtures, as the store wants it.
#[derive(Debug)]
struct Hands(Clock);

pub(super) const CODES: Namespace = Namespace::new("codes");
pub(super) const PEOPLE: Namespace = Namespace::new("people");
pub(super) const EVENTS: Namespace = Namespace::new("events");

/// A lifetime that a test outlives.
pub(super) const SHORT: Duration = Duration::from_secs(1);
pub(super) const LONG: Duration = Duration::from_secs(3_600);

/// Makes a test of each rule, of the store that `$subject` makes.
macro_rules! contract {
    ($subject:expr) => { $crate::store::contract::rules!(contract $subject); };
    (@ $subject:expr; $($part:ident: $($rule:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::store::contract::$part::$rule(&$subject.await).await;
            }
        )+)+
    };
}

/// Holds a store against every rule at once, for stores that are slow to set up. `$subject` makes a fresh one.
macro_rules! every_rule {
    ($subject:expr) => { $crate::store::contract::rules!(every_rule $subject) };
    (@ $subject:expr; $($part:ident: $($rule:ident),+;)+) => {{
        let mut running = tokio::task::JoinSet::new();
        let mut names = std::collections::HashMap::new();
        $($(
            let subject = $subject.await;
            let rule = async move { $crate::store::contract::$part::$rule(&subject).await };
            names.insert(running.spawn(rule).id(), stringify!($rule));
        )+)+
        let mut broken = Vec::new();
        while let Some(ended) = running.join_next_with_id().await {
            if let Err(error) = ended {
                broken.push(names[&error.id()]);
            }
        }
        assert_eq!(broken, [""; 0]);
    }};
}

macro_rules! rules {
    ($make:ident $subject:expr) => {
        $crate::store::contract::$make! {
            @ $subject;
            records: reads_what_was_written, writes_what_is_absent_once, replaces_the_version_it_read,
                never_takes_a_new_record_for_an_old_one, loses_no_update, gives_a_record_to_one_taker,
                removes_what_is_expected, forgets_what_has_expired, keeps_what_was_written_anew,
                ends_at_once_without_a_lifetime, raises_and_never_lowers;
            indexes: finds_under_every_index, leaves_an_index_with_a_later_write, enters_nothing_in_vain,
                finds_every_page, removes_all_of_one_and_nothing_else, removes_all_while_others_write,
                finds_nothing_expired;
            locks: gives_a_lock_to_one, passes_a_lock_on_after_its_lease, refuses_who_came_before,
                lets_a_late_holder_finish, refuses_who_released, brings_nothing_back, counts_what_everybody_adds,
                counts_anew_after_the_lifetime;
            notices: tells_everybody_who_listens, tells_in_order, keeps_channels_apart;
            sealing: opens_with_former_keys, refuses_what_other_keys_sealed, refuses_another_form, bounds_values,
                shows_no_secret;
        }
    };
}

pub(super) use {contract, every_rule, rules};

impl Subject {
    /// A store whose expiry follows `clock`.
    pub(super) fn in_one_process(store: Store, clock: Clock, ground: impl Any + Send + Sync) -> Self {
        Self { other: store.clone(), store, clock: Some(clock), _ground: Box::new(ground) }
    }

    /// A store that two connections lead to.
    pub(super) fn shared(store: Store, other: Store, ground: impl Any + Send + Sync) -> Self {
        Self { store, other, clock: None, _ground: Box::new(ground) }
    }

    pub(super) async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.advance(time),
            None => tokio::time::sleep(time).await,
        }
    }

    /// The two by turns.
    pub(super) fn by_turns(&self, turn: usize) -> Store {
        if turn.is_multiple_of(2) { self.store.clone() } else { self.other.clone() }
    }
}

impl countersign::clock::Clock for Hands {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

pub(super) fn hands_of(clock: &Clock) -> Arc<dyn countersign::clock::Clock> {
    Arc::new(Hands(clock.clone()))
}

pub(super) fn sealing_key(byte: u8) -> SealingKey {
    SealingKey::new(&[byte; 32]).unwrap()
}

pub(super) fn seal() -> Seal {
    Seal::new(sealing_key(7), Vec::new())
}

pub(super) fn long() -> Terms {
    Terms::lasting(LONG)
}

pub(super) fn short() -> Terms {
    Terms::lasting(SHORT)
}
