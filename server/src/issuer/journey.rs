//! Sign-ins that have begun: a person is on their way through consent and their own identity providers. Whoever comes
//! back has to come back in the browser that left.

use super::{
    authorize::Asked,
    error::Fault,
    secret::{self, Mark},
    ticket::Ticket,
};
use crate::{
    federation::Trip,
    store::{Expect, Namespace, Saved, Store, Terms},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// Every journey that has begun.
#[derive(Clone, Debug)]
pub(super) struct Journeys {
    store: Store,
    lifetime: Duration,
}

/// What a person is on their way for, and how far they have come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journey {
    pub(super) purpose: Purpose,
    pub(super) consent: Consent,
    /// Who they are, as soon as that is known.
    pub(super) subject: Option<String>,
    /// What our tokens will say of them.
    pub(super) claims: Map<String, Value>,
    /// What upstreams gave for them, each by its name.
    pub(super) connections: Vec<(String, Saved)>,
    /// Where they are.
    pub(super) stop: Stop,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// A client wants to act for them.
    Authorize(Box<Asked>),
    /// An account is missing.
    Connect(Ticket),
}

/// Whether the person agreed to what the client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Consent {
    NotYet,
    /// Somebody did, at another time in this browser: it has to be the same person.
    Before {
        subject: String,
    },
    Now,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stop {
    /// Before a page of ours that asks whether to go on.
    Asked,
    /// At a provider, by this name.
    At { upstream: String, trip: Trip },
    /// Before a page of ours that offers to visit this one, too.
    Offered { upstream: String },
}

#[derive(Serialize, Deserialize)]
struct Record {
    journey: Journey,
    browser: Mark,
}

const JOURNEYS: Namespace = Namespace::new("journeys");

impl Journey {
    pub(super) fn new(purpose: Purpose, consent: Consent) -> Self {
        let (subject, claims, connections) = (None, Map::new(), Vec::new());
        Self { purpose, consent, subject, claims, connections, stop: Stop::Asked }
    }
}

impl Journeys {
    pub(super) const fn new(store: Store, lifetime: Duration) -> Self {
        Self { store, lifetime }
    }

    /// The name of a journey, or of its next part: nobody guesses it.
    pub(super) fn name() -> Result<String, Fault> {
        secret::fresh()
    }

    /// Remembers where a journey is, until `browser` comes back with its name.
    pub(super) async fn rest(&self, name: &str, journey: Journey, browser: &str) -> Result<(), Fault> {
        let record = Record { journey, browser: Mark::of(browser) };
        let terms = Terms::lasting(self.lifetime);
        match self.store.put(&JOURNEYS.key(&[name]), &record, &terms, Expect::Absent).await? {
            Some(_) => Ok(()),
            None => Err(Fault::defect("a journey's name was made twice")),
        }
    }

    /// Where a journey is. Another browser learns nothing.
    pub(super) async fn look(&self, name: &str, browser: &str) -> Result<Option<Journey>, Fault> {
        let stored = self.store.get::<Record>(&JOURNEYS.key(&[name])).await?;
        let stored = stored.filter(|stored| stored.value.browser.is_of(browser));
        Ok(stored.map(|stored| stored.value.journey))
    }

    /// The same, once. Another browser ends nothing.
    pub(super) async fn go_on(&self, name: &str, browser: &str) -> Result<Option<Journey>, Fault> {
        let key = JOURNEYS.key(&[name]);
        let Some(stored) = self.store.get::<Record>(&key).await? else { return Ok(None) };
        if !stored.value.browser.is_of(browser) {
            return Ok(None);
        }
        let first = self.store.remove(&key, Expect::Version(stored.version)).await?;
        Ok(first.then_some(stored.value.journey))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, asked};

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    async fn begun(scene: &Scene, journeys: &Journeys, browser: &str) -> String {
        let journey = Journey::new(Purpose::Authorize(Box::new(asked(scene).await)), Consent::NotYet);
        let name = Journeys::name().unwrap();
        journeys.rest(&name, journey, browser).await.unwrap();
        name
    }

    #[tokio::test]
    async fn it_goes_on_once_and_in_the_browser_that_it_began_in() {
        let scene = Scene::new();
        let journeys = Journeys::new(scene.store.clone(), TEN_MINUTES);
        let name = begun(&scene, &journeys, "the browser").await;
        for browser in ["", "guessed", "the browser "] {
            assert!(journeys.look(&name, browser).await.unwrap().is_none(), "{browser}");
            assert!(journeys.go_on(&name, browser).await.unwrap().is_none(), "{browser}");
        }
        assert!(journeys.look(&name, "the browser").await.unwrap().is_some());
        let journey = journeys.go_on(&name, "the browser").await.unwrap().unwrap();
        assert!(matches!(journey.purpose, Purpose::Authorize(asked) if asked.client.id == "client"));
        assert!(journeys.go_on(&name, "the browser").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_was_given_up() {
        let scene = Scene::new();
        let journeys = Journeys::new(scene.store.clone(), TEN_MINUTES);
        let name = begun(&scene, &journeys, "the browser").await;
        scene.hands.advance(TEN_MINUTES);
        assert!(journeys.go_on(&name, "the browser").await.unwrap().is_none());
    }
}
