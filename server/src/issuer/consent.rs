//! What people have agreed to before, so that they are not asked again: in the same browser, for the same client, that
//! goes back to the same place, for the same thing.
//!
//! It is never remembered for programs on the caller's own machine: any other program could pass for them.

use super::{authorize::Asked, error::Fault};
use crate::store::{Expect, Namespace, Store, Terms};
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
        let terms = Terms::lasting(REMEMBERED).under(OF_PERSON.index(&[subject]));
        self.store.put(&key(asked, browser), &record, &terms, Expect::Anything).await?;
        Ok(())
    }

    pub(super) async fn forget_person(&self, subject: &str) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&OF_PERSON.index(&[subject])).await?)
    }
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
