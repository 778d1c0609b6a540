//! Authorization codes: redeemed once, by the client they were made for.

use super::{
    error::{Code as ErrorCode, Fault, Problem, Refusal},
    grant::Grant,
    pkce::Challenge,
    redirect::Redirect,
    secret,
};
use crate::store::{Expect, Index, Namespace, Store, Terms, Version};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Makes codes, and redeems them.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    store: Store,
    lifetime: Duration,
}

/// What a code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Issued {
    pub(super) grant: Grant,
    /// The one that the browser was sent back to.
    pub(super) redirect: Redirect,
    /// Whether the client named it, and so has to name it again.
    pub(super) redirect_named: bool,
    pub(super) challenge: Challenge,
    /// The family of refresh tokens that will begin with it.
    pub(super) family: String,
}

/// What a client shows for a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) client: &'a str,
    pub(super) redirect: Option<&'a str>,
    pub(super) verifier: &'a str,
}

/// A code that was made, until some time after it was redeemed: whoever shows it again is to be noticed.
#[derive(Serialize, Deserialize)]
enum State {
    Fresh(Box<Issued>),
    Spent { client: String, family: String, session: String },
}

/// How a redemption ended.
#[derive(Debug)]
pub(super) enum Redeemed {
    Granted(Box<Issued>),
    /// It was redeemed before: whatever came of that is to end.
    Again {
        family: String,
        session: String,
    },
}

const CODES: Namespace = Namespace::new("codes");
const OF_PERSON: Namespace = Namespace::new("codes-of-person");
const OF_CLIENT: Namespace = Namespace::new("codes-of-client");
const ALL: Namespace = Namespace::new("all-codes");
const SPENT_OF_PERSON: Namespace = Namespace::new("spent-codes-of-person");
const SPENT_OF_CLIENT: Namespace = Namespace::new("spent-codes-of-client");
const ALL_SPENT: Namespace = Namespace::new("all-spent-codes");

/// How long it is remembered that a code was spent: a stolen one is shown soon or never.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

impl Codes {
    pub(super) const fn new(store: Store, lifetime: Duration) -> Self {
        Self { store, lifetime }
    }

    /// A new code for what was granted.
    pub(super) async fn issue(&self, issued: Issued) -> Result<String, Fault> {
        let code = secret::fresh()?;
        let terms = Terms::lasting(self.lifetime)
            .under(of_person(&issued.grant.subject))
            .under(OF_CLIENT.index(&[&issued.grant.client]))
            .under(ALL.index(&[]));
        let state = State::Fresh(Box::new(issued));
        match self.store.put(&CODES.key(&[&code]), &state, &terms, Expect::Absent).await? {
            Some(_) => Ok(code),
            None => Err(Fault::defect("a code was made twice")),
        }
    }

    /// What a code stands for, for the client that it was made for and that can prove it. Whatever that client shows,
    /// right or wrong, the code is spent by it.
    pub(super) async fn redeem(&self, code: &str, shown: &Shown<'_>) -> Result<Redeemed, Problem> {
        let key = CODES.key(&[code]);
        let unknown = || Refusal::new(ErrorCode::InvalidGrant, "the code is none, or its time is over");
        let stored = self.store.get::<State>(&key).await?.ok_or_else(unknown)?;
        match stored.value {
            State::Fresh(issued) if issued.grant.client == shown.client => {
                if !self.spend(code, &issued, stored.version).await? {
                    // Somebody else was faster with the same code.
                    let Issued { grant, family, .. } = *issued;
                    return Ok(Redeemed::Again { family, session: grant.session });
                }
                check(&issued, shown)?;
                Ok(Redeemed::Granted(issued))
            }
            State::Spent { client, family, session } if client == shown.client => {
                Ok(Redeemed::Again { family, session })
            }
            // Another client's code is none of this one's business, and none of its to spend.
            State::Fresh(_) | State::Spent { .. } => Err(unknown().into()),
        }
    }

    /// Whether what a code was spent for may begin: nobody has ended its person's sign-ins, or its client's, meanwhile. To
    /// be asked once it has begun.
    pub(super) async fn still_counts(&self, code: &str) -> Result<bool, Fault> {
        Ok(self.store.get::<State>(&CODES.key(&[code])).await?.is_some())
    }

    /// Forgets the codes of a person who is no longer to be let in, and says how many could have been redeemed.
    pub(super) async fn forget_person(&self, subject: &str) -> Result<u64, Fault> {
        self.forget(&of_person(subject), &SPENT_OF_PERSON.index(&[subject])).await
    }

    pub(super) async fn forget_client(&self, client: &str) -> Result<u64, Fault> {
        self.forget(&OF_CLIENT.index(&[client]), &SPENT_OF_CLIENT.index(&[client])).await
    }

    pub(super) async fn forget_all(&self) -> Result<u64, Fault> {
        self.forget(&ALL.index(&[]), &ALL_SPENT.index(&[])).await
    }

    /// In this order: a code that is spent while the fresh ones are removed is found among the others.
    async fn forget(&self, fresh: &Index, spent: &Index) -> Result<u64, Fault> {
        let forgotten = self.store.remove_all(fresh).await?;
        self.store.remove_all(spent).await?;
        Ok(forgotten)
    }

    async fn spend(&self, code: &str, issued: &Issued, version: Version) -> Result<bool, Fault> {
        let Issued { grant, family, .. } = issued;
        let (client, session) = (grant.client.clone(), grant.session.clone());
        let spent = State::Spent { client, family: family.clone(), session };
        let terms = Terms::lasting(REMEMBERED)
            .under(SPENT_OF_PERSON.index(&[&grant.subject]))
            .under(SPENT_OF_CLIENT.index(&[&grant.client]))
            .under(ALL_SPENT.index(&[]));
        Ok(self.store.put(&CODES.key(&[code]), &spent, &terms, Expect::Version(version)).await?.is_some())
    }
}

fn check(issued: &Issued, shown: &Shown<'_>) -> Result<(), Refusal> {
    let told = shown.redirect.map(Redirect::parse);
    let same = match told {
        Some(Ok(told)) => told == issued.redirect,
        Some(Err(_)) => false,
        None => !issued.redirect_named,
    };
    if !same {
        return Err(Refusal::new(
            ErrorCode::InvalidGrant,
            "`redirect_uri` is not the one that the code was sent to",
        ));
    }
    if !issued.challenge.is_met_by(shown.verifier) {
        return Err(Refusal::new(ErrorCode::InvalidGrant, "`code_verifier` does not fit the challenge"));
    }
    Ok(())
}

fn of_person(subject: &str) -> Index {
    OF_PERSON.index(&[subject])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, VERIFIER, grant, issued};
    use std::sync::Arc;
    use tokio::task::JoinSet;

    const MINUTE: Duration = Duration::from_secs(60);

    fn shown(client: &str) -> Shown<'_> {
        Shown { client, redirect: Some("https://client.example/callback"), verifier: VERIFIER }
    }

    fn code_of(problem: Problem) -> ErrorCode {
        match problem {
            Problem::Refused(refusal) => refusal.code(),
            Problem::Fault(fault) => panic!("{fault}"),
        }
    }

    #[tokio::test]
    async fn it_is_redeemed_once_and_the_second_time_is_noticed() {
        let scene = Scene::new();
        let codes = Codes::new(scene.store.clone(), MINUTE);
        let code = codes.issue(issued()).await.unwrap();
        assert!(matches!(
            codes.redeem(&code, &shown("client")).await.unwrap(),
            Redeemed::Granted(it) if it.grant == grant()
        ));
        for _ in 0..2 {
            let again = codes.redeem(&code, &shown("client")).await.unwrap();
            assert!(matches!(again, Redeemed::Again { family, .. } if family == "family"));
        }
        scene.hands.advance(REMEMBERED);
        assert_eq!(
            code_of(codes.redeem(&code, &shown("client")).await.unwrap_err()),
            ErrorCode::InvalidGrant
        );
    }

    #[tokio::test]
    async fn its_time_is_short() {
        let scene = Scene::new();
        let codes = Codes::new(scene.store.clone(), MINUTE);
        let code = codes.issue(issued()).await.unwrap();
        scene.hands.advance(MINUTE);
        assert_eq!(
            code_of(codes.redeem(&code, &shown("client")).await.unwrap_err()),
            ErrorCode::InvalidGrant
        );
    }

    #[tokio::test]
    async fn a_stranger_neither_gets_it_nor_spends_it() {
        let scene = Scene::new();
        let codes = Codes::new(scene.store.clone(), MINUTE);
        let code = codes.issue(issued()).await.unwrap();
        for client in ["another", ""] {
            let refused = codes.redeem(&code, &shown(client)).await.unwrap_err();
            assert_eq!(code_of(refused), ErrorCode::InvalidGrant);
        }
        assert!(matches!(codes.redeem(&code, &shown("client")).await.unwrap(), Redeemed::Granted(_)));
        let refused = codes.redeem(&code, &shown("another")).await.unwrap_err();
        assert_eq!(code_of(refused), ErrorCode::InvalidGrant, "a stranger ends nobody's session");
    }

    #[tokio::test]
    async fn whoever_cannot_prove_it_has_had_it() {
        let wrong = "x".repeat(43);
        for shown in [
            Shown { verifier: &wrong, ..shown("client") },
            Shown { verifier: "", ..shown("client") },
            Shown { redirect: Some("https://client.example/other"), ..shown("client") },
            Shown { redirect: Some("not an address"), ..shown("client") },
            Shown { redirect: None, ..shown("client") },
        ] {
            let scene = Scene::new();
            let codes = Codes::new(scene.store.clone(), MINUTE);
            let code = codes.issue(issued()).await.unwrap();
            let refused = codes.redeem(&code, &shown).await.unwrap_err();
            assert_eq!(code_of(refused), ErrorCode::InvalidGrant, "{shown:?}");
            let after = codes.redeem(&code, &self::shown("client")).await.unwrap();
            assert!(matches!(after, Redeemed::Again { .. }), "{shown:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_thousand_who_show_it_at_once_one_gets_it() {
        let scene = Scene::new();
        let codes = Arc::new(Codes::new(scene.store.clone(), MINUTE));
        let code = codes.issue(issued()).await.unwrap();
        let tries = (0..1_000).map(|_| {
            let (codes, code) = (codes.clone(), code.clone());
            async move { codes.redeem(&code, &shown("client")).await.unwrap() }
        });
        let ends = tries.collect::<JoinSet<_>>().join_all().await;
        let granted = ends.iter().filter(|end| matches!(end, Redeemed::Granted(_))).count();
        assert_eq!(granted, 1);
    }

    #[tokio::test]
    async fn a_person_who_is_not_let_in_any_more_has_none() {
        let scene = Scene::new();
        let codes = Codes::new(scene.store.clone(), MINUTE);
        let code = codes.issue(issued()).await.unwrap();
        let spent = codes.issue(issued()).await.unwrap();
        codes.redeem(&spent, &shown("client")).await.unwrap();
        assert!(codes.still_counts(&spent).await.unwrap());
        assert_eq!(codes.forget_person(&grant().subject).await.unwrap(), 1);
        assert!(codes.redeem(&code, &shown("client")).await.is_err());
        assert!(!codes.still_counts(&spent).await.unwrap());
    }
}
