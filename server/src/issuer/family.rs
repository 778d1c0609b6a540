//! Refresh tokens: each is good once, and gives the next. Whoever shows one that was spent ends its whole family, since
//! two have it then, and nobody can tell which of them stole it.

use super::{
    error::{Code, Fault, Problem, Refusal},
    grant::Grant,
    revocation::Revocations,
    secret::{self, Mark},
};
use crate::store::{Expect, Index, Namespace, Store, Stored, Terms};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every family there is.
#[derive(Clone, Debug)]
pub(super) struct Families {
    store: Store,
    lifetime: Duration,
    revocations: Option<Revocations>,
}

/// The tokens that came one after the other from one sign-in.
#[derive(Serialize, Deserialize)]
struct Family {
    grant: Grant,
    /// The one that is good now.
    current: Mark,
}

const FAMILIES: Namespace = Namespace::new("refresh-families");
const OF_PERSON: Namespace = Namespace::new("families-of-person");
const OF_CLIENT: Namespace = Namespace::new("families-of-client");
const OF_SESSION: Namespace = Namespace::new("families-of-session");
const ALL: Namespace = Namespace::new("families");
const ENDED: Namespace = Namespace::new("families-ended");

impl Families {
    pub(super) const fn new(store: Store, lifetime: Duration) -> Self {
        Self { store, lifetime, revocations: None }
    }

    /// Access tokens end with the family that they are of, everywhere.
    pub(super) fn telling(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// The first token of a family. Where the family was ended before it began, as its code was shown twice, the token is
    /// good for nothing.
    pub(super) async fn begin(&self, id: &str, grant: &Grant) -> Result<String, Fault> {
        let (secret, key) = (secret::fresh()?, FAMILIES.key(&[id]));
        let family = Family { grant: grant.clone(), current: Mark::of(&secret) };
        let begun = self.store.put(&key, &family, &self.terms(grant), Expect::Absent).await?;
        if begun.is_none() {
            return Err(Fault::defect("a family began twice"));
        }
        // Looked for after it was written: whoever ends a family says so first and removes it then. So it is removed here
        // or there, however the two meet.
        if self.store.get::<()>(&ENDED.key(&[id])).await?.is_some() {
            self.store.remove(&key, Expect::Anything).await?;
        }
        Ok(token(id, &secret))
    }

    /// What is granted this time, and the next token. `check` says what part of all that was granted is asked for; where it
    /// refuses, nothing is spent.
    pub(super) async fn rotate(
        &self,
        shown: &str,
        client: &str,
        check: impl FnOnce(&Grant) -> Result<Grant, Refusal>,
    ) -> Result<(Grant, String), Problem> {
        let unknown = || Refusal::new(Code::InvalidGrant, "the refresh token is none, or was revoked");
        let (id, secret) = shown.split_once('.').ok_or_else(unknown)?;
        let key = FAMILIES.key(&[id]);
        let stored = self.store.get::<Family>(&key).await?.ok_or_else(unknown)?;
        let Family { grant, current } = stored.value;
        if grant.client != client {
            return Err(unknown().into());
        }
        if current.is_of(secret) {
            let granted = check(&grant)?;
            let next = secret::fresh()?;
            let family = Family { grant: grant.clone(), current: Mark::of(&next) };
            let terms = self.terms(&grant);
            if self.store.put(&key, &family, &terms, Expect::Version(stored.version)).await?.is_some() {
                return Ok((granted, token(id, &next)));
            }
        }
        // Spent before, or by somebody else at this very moment.
        self.end(id, &grant.session).await?;
        tracing::warn!(
            client,
            subject = grant.subject,
            "a refresh token was shown twice; its family is ended"
        );
        Err(Refusal::new(
            Code::InvalidGrant,
            "the refresh token was used before, so it and what came of it are ended",
        )
        .into())
    }

    /// Ends a family, also one that has not begun, and the access tokens of its sign-in.
    pub(super) async fn end(&self, id: &str, session: &str) -> Result<(), Fault> {
        self.store.put(&ENDED.key(&[id]), &(), &Terms::lasting(self.lifetime), Expect::Anything).await?;
        self.store.remove(&FAMILIES.key(&[id]), Expect::Anything).await?;
        match &self.revocations {
            Some(revocations) => revocations.end_sign_in(session).await,
            None => Ok(()),
        }
    }

    /// Ends the family of a token, if this client has it: what a client asks for that signs somebody out. Of a token that
    /// is none nothing is told.
    pub(super) async fn revoke(&self, shown: &str, client: &str) -> Result<(), Fault> {
        let Some((id, _)) = shown.split_once('.') else { return Ok(()) };
        match self.store.get::<Family>(&FAMILIES.key(&[id])).await? {
            Some(Stored { value: Family { grant, .. }, .. }) if grant.client == client => {
                self.end(id, &grant.session).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What a token that is good now stands for. Asking spends nothing.
    pub(super) async fn look(&self, shown: &str) -> Result<Option<Grant>, Fault> {
        let Some((id, secret)) = shown.split_once('.') else { return Ok(None) };
        let stored = self.store.get::<Family>(&FAMILIES.key(&[id])).await?;
        Ok(stored.map(|stored| stored.value).filter(|it| it.current.is_of(secret)).map(|it| it.grant))
    }

    /// Whether a sign-in still gives tokens: it was not ended, by whomever.
    pub(super) async fn has_session(&self, session: &str) -> Result<bool, Fault> {
        let page = self.store.list::<Family>(&OF_SESSION.index(&[session]), None).await?;
        Ok(!page.records.is_empty())
    }

    /// Ends everything of a person's; how many families that were.
    pub(super) async fn end_of_person(&self, subject: &str) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&OF_PERSON.index(&[subject])).await?)
    }

    pub(super) async fn end_of_client(&self, client: &str) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&OF_CLIENT.index(&[client])).await?)
    }

    pub(super) async fn end_all(&self) -> Result<u64, Fault> {
        Ok(self.store.remove_all(&all()).await?)
    }

    fn terms(&self, grant: &Grant) -> Terms {
        Terms::lasting(self.lifetime)
            .under(OF_PERSON.index(&[&grant.subject]))
            .under(OF_CLIENT.index(&[&grant.client]))
            .under(OF_SESSION.index(&[&grant.session]))
            .under(all())
    }
}

fn all() -> Index {
    ALL.index(&[])
}

fn token(id: &str, secret: &str) -> String {
    format!("{id}.{secret}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, grant};
    use std::sync::Arc;
    use tokio::task::JoinSet;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    /// All of it, this time too.
    fn whole(grant: &Grant) -> Result<Grant, Refusal> {
        Ok(grant.clone())
    }

    fn families(scene: &Scene) -> Families {
        Families::new(scene.store.clone(), WEEK)
    }

    #[tokio::test]
    async fn each_gives_the_next_for_as_long_as_somebody_comes_back() {
        let scene = Scene::new();
        let families = families(&scene);
        let mut token = families.begin("family", &grant()).await.unwrap();
        for _ in 0..5 {
            scene.hands.advance(WEEK - Duration::from_secs(1));
            let (granted, next) = families.rotate(&token, "client", whole).await.unwrap();
            assert_eq!(granted, grant());
            assert_ne!(token, next);
            token = next;
        }
        scene.hands.advance(WEEK);
        assert!(families.rotate(&token, "client", whole).await.is_err());
    }

    #[tokio::test]
    async fn one_that_is_shown_twice_ends_them_all() {
        let scene = Scene::new();
        let families = families(&scene);
        let first = families.begin("family", &grant()).await.unwrap();
        let (_, second) = families.rotate(&first, "client", whole).await.unwrap();
        let (_, third) = families.rotate(&second, "client", whole).await.unwrap();
        assert!(families.rotate(&first, "client", whole).await.is_err());
        assert!(families.rotate(&third, "client", whole).await.is_err(), "the newest one is ended with them");
        let begun = families.begin("family", &grant()).await.unwrap();
        assert!(families.rotate(&begun, "client", whole).await.is_err(), "and does not begin again");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_at_once_end_them_all_too() {
        let scene = Scene::new();
        let families = Arc::new(families(&scene));
        let token = families.begin("family", &grant()).await.unwrap();
        let tries = (0..50).map(|_| {
            let (families, token) = (families.clone(), token.clone());
            async move { families.rotate(&token, "client", whole).await }
        });
        let mut next = Vec::new();
        let tries: JoinSet<_> = tries.collect();
        for end in tries.join_all().await {
            next.extend(end.map(|(_, next)| next));
        }
        assert!(next.len() <= 1, "{}", next.len());
        for token in next {
            assert!(families.rotate(&token, "client", whole).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_stranger_neither_uses_one_nor_ends_any() {
        let scene = Scene::new();
        let families = families(&scene);
        let token = families.begin("family", &grant()).await.unwrap();
        assert!(families.rotate(&token, "another", whole).await.is_err());
        families.revoke(&token, "another").await.unwrap();
        for none in ["", ".", "family", "other.x", "..", "family.."] {
            assert!(families.rotate(none, "another", whole).await.is_err(), "{none}");
            families.revoke(none, "another").await.unwrap();
        }
        assert!(families.rotate(&token, "client", whole).await.is_ok());
    }

    #[tokio::test]
    async fn a_code_that_was_shown_twice_leaves_no_family_whoever_is_first() {
        let scene = Scene::new();
        let families = families(&scene);
        families.end("family", "session").await.unwrap();
        let late = families.begin("family", &grant()).await.unwrap();
        let early = families.begin("other", &grant()).await.unwrap();
        families.end("other", "session").await.unwrap();
        for token in [late, early] {
            assert!(families.rotate(&token, "client", whole).await.is_err());
            assert_eq!(families.look(&token).await.unwrap(), None);
        }
        assert!(!families.has_session("session").await.unwrap());
    }

    #[tokio::test]
    async fn everything_of_a_person_or_a_client_ends_at_once() {
        let scene = Scene::new();
        let families = families(&scene);
        let mut tokens = Vec::new();
        for n in 0..3 {
            let mut grant = grant();
            grant.subject = format!("person-{}", n / 2);
            tokens.push(families.begin(&format!("family-{n}"), &grant).await.unwrap());
        }
        assert_eq!(families.end_of_person("person-0").await.unwrap(), 2);
        assert!(families.rotate(&tokens[0], "client", whole).await.is_err());
        assert!(families.rotate(&tokens[2], "client", whole).await.is_ok());
        assert_eq!(families.end_of_client("client").await.unwrap(), 1);
        assert_eq!(families.end_all().await.unwrap(), 0);
    }
}
