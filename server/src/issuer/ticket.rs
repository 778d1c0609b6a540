//! The way to connect an account that a call was missing: a link that is good for one person, whoever opens it.

use crate::store::{self, Namespace, Store};
use countersign::{clock::Clock, tokens::Account};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Makes and reads tickets.
#[derive(Clone, Debug)]
pub(crate) struct Tickets {
    store: Store,
    clock: Arc<dyn Clock>,
}

/// Whose account is to be connected, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) client: Option<String>,
    pub(super) provider: String,
    /// Seconds since 1970.
    until: u64,
}

const TICKETS: Namespace = Namespace::new("tickets");

/// For as long a person may take to follow the link.
const LIFETIME: Duration = Duration::from_secs(3600);

impl Tickets {
    pub(crate) const fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// A ticket to connect `account`, as text for an address.
    pub(crate) fn issue(&self, account: &Account) -> Result<String, store::Error> {
        let ticket = Ticket {
            issuer: account.issuer().to_owned(),
            subject: account.subject().to_owned(),
            client: account.client().map(str::to_owned),
            provider: account.provider().to_owned(),
            until: self.now() + LIFETIME.as_secs(),
        };
        self.store.seal_for(TICKETS, &ticket)
    }

    /// What a ticket is for that we made, and that is not too old.
    pub(super) fn read(&self, text: &str) -> Option<Ticket> {
        self.store.opened_for::<Ticket>(TICKETS, text).filter(|ticket| self.now() < ticket.until)
    }

    fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl Ticket {
    /// The account that it is about.
    pub(super) fn account(&self) -> Account {
        Account::new(
            self.issuer.as_str(),
            self.subject.as_str(),
            self.client.as_deref(),
            self.provider.as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::Scene;

    #[test]
    fn it_says_whose_account_it_is_for_an_hour_and_only_where_it_was_made() {
        let scene = Scene::new();
        let tickets = Tickets::new(scene.store.clone(), scene.clock());
        let account = Account::new("https://mcp.example.com", "alice", Some("client"), "github");
        let text = tickets.issue(&account).unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(tickets.read(&text).unwrap().account(), account);
        let other = Scene::sealed_with(8);
        let elsewhere = Tickets::new(other.store.clone(), other.clock());
        assert_eq!(elsewhere.read(&text), None);
        let cut: String = text.chars().skip(1).collect();
        for wrong in ["", "AA", &cut] {
            assert_eq!(tickets.read(wrong), None);
        }
        scene.hands.advance(LIFETIME);
        assert_eq!(tickets.read(&text), None);
    }
}
