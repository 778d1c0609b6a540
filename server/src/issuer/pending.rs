//! Sign-ins that have begun: a person is on their way through consent and their own identity provider. Whoever comes back
//! has to come back in the browser that left.

use super::{
    authorize::Asked,
    error::Fault,
    secret::{self, Mark},
};
use crate::store::{Expect, Namespace, Store, Terms};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every sign-in that has begun.
#[derive(Clone, Debug)]
pub(super) struct SignIns {
    store: Store,
    lifetime: Duration,
}

/// What a browser takes along.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// For the address: says which sign-in it is.
    pub(super) id: String,
    /// For a cookie: says that it is the same browser.
    pub(super) browser: String,
}

#[derive(Serialize, Deserialize)]
struct Pending {
    asked: Asked,
    browser: Mark,
}

const SIGN_INS: Namespace = Namespace::new("sign-ins");

impl SignIns {
    pub(super) const fn new(store: Store, lifetime: Duration) -> Self {
        Self { store, lifetime }
    }

    pub(super) async fn begin(&self, asked: Asked) -> Result<Begun, Fault> {
        let begun = Begun { id: secret::fresh()?, browser: secret::fresh()? };
        let pending = Pending { asked, browser: Mark::of(&begun.browser) };
        let (key, terms) = (SIGN_INS.key(&[&begun.id]), Terms::lasting(self.lifetime));
        match self.store.put(&key, &pending, &terms, Expect::Absent).await? {
            Some(_) => Ok(begun),
            None => Err(Fault::defect("a sign-in's id was made twice")),
        }
    }

    /// What was asked for, once, in the browser that it began in. Another one learns nothing and ends nothing.
    pub(super) async fn end(&self, id: &str, browser: &str) -> Result<Option<Asked>, Fault> {
        let key = SIGN_INS.key(&[id]);
        let Some(stored) = self.store.get::<Pending>(&key).await? else { return Ok(None) };
        if !stored.value.browser.is_of(browser) {
            return Ok(None);
        }
        let first = self.store.remove(&key, Expect::Version(stored.version)).await?;
        Ok(first.then_some(stored.value.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, asked};

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn it_ends_once_and_in_the_browser_that_it_began_in() {
        let scene = Scene::new();
        let sign_ins = SignIns::new(scene.store.clone(), TEN_MINUTES);
        let begun = sign_ins.begin(asked(&scene).await).await.unwrap();
        let other = sign_ins.begin(asked(&scene).await).await.unwrap();
        for browser in ["", "guessed", other.browser.as_str()] {
            assert!(sign_ins.end(&begun.id, browser).await.unwrap().is_none(), "{browser}");
        }
        let asked = sign_ins.end(&begun.id, &begun.browser).await.unwrap().unwrap();
        assert_eq!(asked.client.id, "client");
        assert!(sign_ins.end(&begun.id, &begun.browser).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_was_given_up() {
        let scene = Scene::new();
        let sign_ins = SignIns::new(scene.store.clone(), TEN_MINUTES);
        let begun = sign_ins.begin(asked(&scene).await).await.unwrap();
        scene.hands.advance(TEN_MINUTES);
        assert!(sign_ins.end(&begun.id, &begun.browser).await.unwrap().is_none());
    }
}
