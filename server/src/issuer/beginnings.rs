//! How many sign-ins may begin: each leaves something in the store before anybody is known.

use super::{budget::Budget, sender::Sender};
use crate::config::authorization_server::SignIns;
use countersign::clock::Clock;
use std::sync::Arc;

/// Counts sign-ins that begin, in each process by itself: whoever floods it costs nobody else a look into the store.
#[derive(Clone, Debug)]
pub(super) struct Beginnings {
    budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
}

impl Beginnings {
    pub(super) fn new(limits: SignIns, clock: Arc<dyn Clock>) -> Self {
        let budget = Budget::new(limits.minutely_from_one_address, limits.minutely);
        Self { budget: Arc::new(budget), clock }
    }

    /// Whether one more may. Those of this machine count among all only: they may be everybody, behind a proxy that nobody
    /// named.
    pub(super) fn one_more(&self, sender: Option<Sender>) -> bool {
        let who = sender.filter(|sender| !sender.is_this_machine()).map(Sender::counted);
        self.budget.take(who.as_deref(), self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::Scene;
    use std::time::Duration;

    #[test]
    fn one_address_has_its_share_and_this_machine_may_be_everybody() {
        let scene = Scene::new();
        let limits = SignIns { minutely: 10, minutely_from_one_address: 2 };
        let beginnings = Beginnings::new(limits, scene.clock());
        let from = |address: &str| beginnings.one_more(Some(Sender::at(address.parse().unwrap())));
        assert!(from("198.51.100.7") && from("198.51.100.7") && !from("198.51.100.7"));
        assert!(from("2001:db8::1") && from("2001:db8::2") && !from("2001:db8::3"), "one network");
        assert!((0..5).all(|_| from("127.0.0.1")) && beginnings.one_more(None));
        assert!(!from("127.0.0.1") && !from("203.0.113.9"), "everybody has had theirs");
        scene.hands.advance(Duration::from_secs(60));
        assert!(from("198.51.100.7") && from("127.0.0.1"));
    }
}
