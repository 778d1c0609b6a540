//! What was sent to backends under ids of ours, and whose it is.
//!
//! Clients choose ids and progress tokens as they like, so those of two clients may be the same. A backend gets fresh
//! ones, and what it says about them is put into the client's words again.

use super::message::Message;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Requests that a client may still hear of.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<BTreeMap<u64, Flight>>);

/// One request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    /// Which backend it went to.
    pub(super) peer: usize,
    /// The client's id, as it was written.
    pub(super) id: String,
    /// The client's progress token, as it was written.
    pub(super) token: Option<String>,
    pub(super) about: About,
}

/// What of a request makes a difference for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// It is a subscription, whose answer names it once more.
    News,
    /// It is about a resource, and that there is none has a code of its own in the versions with sessions.
    AResource,
    /// What is said of it may name a task.
    ATask,
    Anything,
}

impl About {
    pub(super) fn of(message: &Message<'_>) -> Self {
        match message.method.as_deref().unwrap_or_default() {
            "subscriptions/listen" => Self::News,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Self::AResource,
            _ if message.may_be_answered_with_a_task() => Self::ATask,
            _ => Self::Anything,
        }
    }
}

/// Of a session whose backends never answer, the latest are remembered.
const KEPT: usize = 4096;

/// An id that no other request of this process has.
pub(super) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Flights {
    /// The fresh id of a request that is about to be sent.
    pub(super) fn start(&self, flight: Flight) -> u64 {
        let id = fresh();
        let mut flights = self.lock();
        if flights.len() >= KEPT {
            flights.pop_first();
        }
        flights.insert(id, flight);
        id
    }

    /// The same request, for which the client waits under another id now.
    pub(super) fn go_on(&self, fresh: u64, flight: Flight) {
        self.lock().insert(fresh, flight);
    }

    /// The same request was answered, and its backend goes on telling its progress.
    pub(super) fn tell_on(&self, fresh: &str, flight: Flight) {
        if let (Ok(fresh), Some(_)) = (fresh.parse(), &flight.token) {
            // Nobody can cancel it under its id any more.
            self.go_on(fresh, Flight { id: String::new(), ..flight });
        }
    }

    /// Whose answer it is that has this id.
    pub(super) fn land(&self, id: &str) -> Option<Flight> {
        let (id, mut flights) = (id.parse().ok()?, self.lock());
        // What was answered already is only there for its progress.
        if flights.get(&id)?.id.is_empty() { None } else { flights.remove(&id) }
    }

    /// Whose request has this id or progress token, while it is on its way.
    pub(super) fn find(&self, id: &str) -> Option<Flight> {
        self.lock().get(&id.parse().ok()?).cloned()
    }

    /// Which request of ours is the client's request `id`, and where it went.
    pub(super) fn of_client(&self, id: &str) -> Option<(u64, usize)> {
        let flights = self.lock();
        flights.iter().rev().find(|(_, flight)| flight.id == id).map(|(fresh, flight)| (*fresh, flight.peer))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_an_id_of_its_own_and_lands_once() {
        let flights = Flights::default();
        let flight =
            |id: &str| Flight { peer: 1, id: id.into(), token: Some("\"t\"".into()), about: About::Anything };
        let (first, second) = (flights.start(flight("1")), flights.start(flight("\"a\"")));
        assert_ne!(first, second);
        assert_eq!(flights.of_client("1"), Some((first, 1)));
        assert_eq!(flights.find(&second.to_string()).unwrap().token.as_deref(), Some("\"t\""));
        assert_eq!(flights.land(&first.to_string()).unwrap().id, "1");
        assert_eq!(flights.land(&first.to_string()), None);
        assert_eq!(flights.land("\"1\""), None);
    }

    #[test]
    fn what_goes_on_after_its_answer_is_known_by_its_progress_and_has_no_other_answer() {
        let flights = Flights::default();
        let flight = Flight { peer: 0, id: "1".into(), token: Some("\"t\"".into()), about: About::ATask };
        let fresh = flights.start(flight.clone()).to_string();
        let landed = flights.land(&fresh).unwrap();
        flights.tell_on(&fresh, landed);
        for _ in 0..2 {
            assert_eq!(flights.land(&fresh), None);
            assert_eq!(flights.find(&fresh).unwrap().token, flight.token);
        }
        assert_eq!(flights.of_client("1"), None);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let flights = Flights::default();
        let flight = |id: usize| Flight { peer: 0, id: id.to_string(), token: None, about: About::Anything };
        for id in 0..=KEPT {
            flights.start(flight(id));
        }
        assert_eq!(flights.of_client("0"), None);
        assert!(flights.of_client("1").is_some());
    }
}
