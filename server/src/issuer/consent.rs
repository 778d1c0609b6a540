//! What people have agreed to before, so that they are not asked again: in the same browser, for the same client, that
//! goes back to the same place, for the same thing.
//!
//! It is never remembered for programs on the caller's own machine: any other program could pass for them.

use super::{authorize::Asked, error::Fault, redirect::Redirect};
use crate::store::{Expect, Index, Namespace, Store, Terms};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Every consent that is remembered.
#[derive(Clone, Debug)]
pub(super) struct Consents {
    store: Store,
}

#[derive(Serialize, Deserialize)]
struct Record {
    subject: String,
    scopes: BTreeSet<String>,
}

const CONSENTS: Namespace = Namespace::new("consents");
const OF_PERSON: Namespace = Namespace::new("consents-of-person");
const OF_CLIENT: Namespace = Namespace::new("consents-of-client");
const OF_WAY: Namespace = Namespace::new("consents-of-way");
const ALL: Namespace = Namespace::new("consents-of-all");

const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

impl Consents {
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Who agreed in `browser` to all that is asked for.
    pub(super) async fn recall(&self, asked: &Asked, browser: &str) -> Result<Option<String>, Fault> {
        if asked.redirect.is_local() {
            return Ok(None);
        }
        let stored = self.store.get::<Record>(&key(asked, browser)).await?.map(|stored| stored.value);
        Ok(stored.filter(|record| asked.scopes.is_subset(&record.scopes)).map(|record| record.subject))
    }

    /// `subject` agreed in `browser`.
    pub(super) async fn remember(&self, asked: &Asked, subject: &str, browser: &str) -> Result<(), Fault> {
        if asked.redirect.is_local() {
            return Ok(());
        }
        let record = Record { subject: subject.to_owned(), scopes: asked.scopes.clone() };
        let terms = Terms::lasting(REMEMBERED)
            .under(OF_PERSON.index(&[subject]))
            .under(OF_CLIENT.index(&[&asked.client.id]))
            .under(way(&asked.client.id, &asked.redirect, browser))
            .under(ALL.index(&[]));
        self.store.put(&key(asked, browser), &record, &terms, Expect::Anything).await?;
        Ok(())
    }

    /// Whether somebody in `browser` agreed before to go back to a client by this way, whatever it was for.
    pub(super) async fn knows(
        &self,
        client: &str,
        redirect: &Redirect,
        browser: &str,
    ) -> Result<bool, Fault> {
        let (way, mut from) = (way(client, redirect, browser), None);
        loop {
            let page = self.store.list::<Record>(&way, from.as_ref()).await?;
            if !page.records.is_empty() {
                return Ok(true);
            }
            from = page.next;
            if from.is_none() {
                return Ok(false);
            }
        }
    }

    pub(super) async fn forget_person(&self, subject: &str) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&OF_PERSON.index(&[subject])).await?)
    }

    pub(super) async fn forget_client(&self, client: &str) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&OF_CLIENT.index(&[client])).await?)
    }

    pub(super) async fn forget_all(&self) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&ALL.index(&[])).await?)
    }
}

fn way(client: &str, redirect: &Redirect, browser: &str) -> Index {
    OF_WAY.index(&[browser, client, redirect.as_str()])
}

fn key(asked: &Asked, browser: &str) -> crate::store::Key {
    CONSENTS.key(&[browser, &asked.client.id, asked.redirect.as_str(), &asked.resource])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::redirect::Redirect,
        issuer::testing::{Scene, asked},
    };

    #[tokio::test]
    async fn it_is_the_same_person_browser_client_place_and_thing_or_it_is_asked_for_again() {
        let scene = Scene::new();
        let consents = Consents::new(scene.store.clone());
        let given = asked(&scene).await;
        consents.remember(&given, "alice", "browser").await.unwrap();
        assert_eq!(consents.recall(&given, "browser").await.unwrap().as_deref(), Some("alice"));
        assert_eq!(consents.recall(&given, "another").await.unwrap(), None);
        let mut fewer = given.clone();
        fewer.scopes.pop_first();
        assert!(consents.recall(&fewer, "browser").await.unwrap().is_some());
        let changes: [fn(&mut Asked); 4] = [
            |asked| asked.client.id = "other".into(),
            |asked| asked.redirect = Redirect::parse("https://client.example/other").unwrap(),
            |asked| asked.resource = "https://elsewhere.example/mcp".into(),
            |asked| asked.scopes.extend(["mcp:all".to_owned()]),
        ];
        for change in changes {
            let mut other = given.clone();
            change(&mut other);
            assert_eq!(consents.recall(&other, "browser").await.unwrap(), None, "{other:?}");
        }
        assert_eq!(consents.forget_person("alice").await.unwrap(), 1);
        assert_eq!(consents.recall(&given, "browser").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_way_is_known_by_which_somebody_went_and_it_is_forgotten_with_the_client() {
        let scene = Scene::new();
        let consents = Consents::new(scene.store.clone());
        let given = asked(&scene).await;
        let knows = async |client: &str, place: &str, browser: &str| {
            consents.knows(client, &Redirect::parse(place).unwrap(), browser).await.unwrap()
        };
        let place = given.redirect.as_str();
        assert!(!knows("client", place, "browser").await);
        for resource in ["https://mcp.example.com/mcp", "https://mcp.example.com/other"] {
            let asked = Asked { resource: resource.into(), ..given.clone() };
            consents.remember(&asked, "alice", "browser").await.unwrap();
        }
        let others = Asked {
            client: crate::issuer::client::Client { id: "other".into(), ..given.client.clone() },
            ..given.clone()
        };
        consents.remember(&others, "alice", "browser").await.unwrap();
        assert!(knows("client", place, "browser").await && knows("other", place, "browser").await);
        assert!(!knows("client", place, "another").await);
        assert!(!knows("client", "https://client.example/elsewhere", "browser").await);
        assert_eq!(consents.forget_client("client").await.unwrap(), 2);
        assert!(!knows("client", place, "browser").await && knows("other", place, "browser").await);
        assert_eq!(consents.recall(&given, "browser").await.unwrap(), None);
        assert_eq!(consents.forget_all().await.unwrap(), 1);
        assert_eq!(consents.recall(&others, "browser").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_program_on_the_callers_machine_is_asked_for_every_time() {
        let scene = Scene::new();
        let consents = Consents::new(scene.store.clone());
        let mut given = asked(&scene).await;
        for place in ["http://127.0.0.1:51004/callback", "http://localhost/callback", "cursor://callback"] {
            given.redirect = Redirect::parse(place).unwrap();
            consents.remember(&given, "alice", "browser").await.unwrap();
            assert_eq!(consents.recall(&given, "browser").await.unwrap(), None, "{place}");
        }
    }
}
