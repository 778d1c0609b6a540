//! The keys that one issuer signs with: kept in the store, so that all replicas have the same ones, and changed by the
//! clock without anybody's noticing.

mod key;
mod ring;

pub(crate) use self::{key::Algorithm, ring::Schedule};

use self::{key::SigningKey, ring::Ring};
use super::error::Fault;
use crate::store::{Expect, Namespace, Store, Terms};
use arc_swap::ArcSwap;
use countersign::{clock::Clock, identity::LocalKeys};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// What the keys are for. Tokens for us and tokens for STS have keys of their own, so that neither passes for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Access,
    WebIdentity,
}

/// The keys of one issuer.
pub(crate) struct Keys {
    store: Store,
    purpose: Purpose,
    algorithm: Algorithm,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
    opened: ArcSwap<Opened>,
    verifying: LocalKeys,
}

/// A ring, ready to use.
struct Opened {
    ring: Ring,
    keys: Vec<SigningKey>,
}

const KEYS: Namespace = Namespace::new("keys");

/// Longer than any server goes without looking at its keys.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Keys {
    /// The keys that the store has, or the first one.
    pub(crate) async fn open(
        store: Store,
        purpose: Purpose,
        algorithm: Algorithm,
        schedule: Schedule,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let now = seconds(&*clock);
        // Made before it is known whether it is needed; whoever is first at the store decides.
        let opened = ArcSwap::from_pointee(Opened::of(Ring::first(algorithm, now)?)?);
        let verifying = LocalKeys::parse(r#"{"keys": []}"#).map_err(|_| unusable())?;
        let keys = Self { store, purpose, algorithm, schedule, clock, opened, verifying };
        keys.tend().await?;
        Ok(keys)
    }

    /// Reads what other replicas may have changed, and does what the time has made due. To be called every few minutes.
    pub(crate) async fn tend(&self) -> Result<(), Fault> {
        self.change(|ring, now| ring.tended(self.algorithm, &self.schedule, now)).await.map(drop)
    }

    /// Publishes another key, which signs after its notice. `false` where one is on its way already.
    pub(crate) async fn rotate(&self) -> Result<bool, Fault> {
        self.change(|ring, now| ring.rotated(self.algorithm, &self.schedule, now)).await
    }

    /// A token of type `typ`.
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> Result<String, Fault> {
        let opened = self.opened.load();
        let signing = opened.ring.signing(seconds(&*self.clock));
        let key = opened.keys.get(signing).ok_or(Fault::defect("there is no key to sign with"))?;
        key.sign(typ, claims)
    }

    /// What others verify with.
    pub(crate) fn jwks(&self) -> Value {
        self.opened.load().jwks()
    }

    /// What this process verifies with: a clone stays what the keys are.
    pub(crate) fn verifying(&self) -> LocalKeys {
        self.verifying.clone()
    }

    async fn change(
        &self,
        change: impl Fn(&Ring, u64) -> Result<Option<Ring>, Fault>,
    ) -> Result<bool, Fault> {
        let (key, terms) = (KEYS.key(&[self.purpose.name()]), Terms::lasting(LIFETIME));
        loop {
            let now = seconds(&*self.clock);
            let Some(stored) = self.store.get::<Ring>(&key).await? else {
                // The first one of all, or somebody else's: what is there then counts.
                self.store.put(&key, &self.opened.load().ring, &terms, Expect::Absent).await?;
                continue;
            };
            let Some(ring) = change(&stored.value, now)? else {
                self.adopt(Opened::of(stored.value)?)?;
                return Ok(false);
            };
            if self.store.put(&key, &ring, &terms, Expect::Version(stored.version)).await?.is_some() {
                self.adopt(Opened::of(ring)?)?;
                tracing::info!(purpose = self.purpose.name(), "the signing keys have changed");
                return Ok(true);
            }
        }
    }

    fn adopt(&self, opened: Opened) -> Result<(), Fault> {
        // Published before it signs: a token is verified from its first moment on.
        self.verifying.replace(&opened.jwks().to_string()).map_err(|_| unusable())?;
        self.opened.store(opened.into());
        Ok(())
    }
}

impl Opened {
    fn of(ring: Ring) -> Result<Self, Fault> {
        let keys = ring.open()?;
        Ok(Self { ring, keys })
    }

    fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(SigningKey::jwk).collect();
        json!({"keys": keys})
    }
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::WebIdentity => "web-identity",
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("purpose", &self.purpose)
            .field("opened", &self.opened.load().keys)
            .finish_non_exhaustive()
    }
}

fn unusable() -> Fault {
    Fault::defect("the keys cannot be verified with")
}

fn seconds(clock: &dyn Clock) -> u64 {
    clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, verified};

    const SCHEDULE: Schedule = Schedule {
        turn: Duration::from_secs(30 * 24 * 3600),
        notice: Duration::from_secs(2 * 3600),
        memory: Duration::from_secs(3600),
    };

    async fn replica(scene: &Scene) -> Keys {
        Keys::open(scene.store.clone(), Purpose::Access, Algorithm::Es256, SCHEDULE, scene.clock())
            .await
            .unwrap()
    }

    fn kids(keys: &Keys) -> Vec<String> {
        let jwks = keys.jwks();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn replicas_have_the_same_keys_whoever_was_first() {
        let scene = Scene::new();
        let (one, other) = tokio::join!(replica(&scene), replica(&scene));
        assert_eq!((kids(&one).len(), kids(&one)), (1, kids(&other)));
        let token = one.sign("at+jwt", &json!({"sub": "alice"})).unwrap();
        assert_eq!(verified(&token, &other.jwks()), Some(json!({"sub": "alice"})));
        assert!(one.jwks().to_string().find("\"d\"").is_none(), "no private half is published");
    }

    #[tokio::test]
    async fn a_token_verifies_for_as_long_as_it_lasts_also_by_a_key_set_that_was_kept() {
        let scene = Scene::new();
        let (one, other) = (replica(&scene).await, replica(&scene).await);
        let (hour, mut kept) = (Duration::from_secs(3600), one.jwks());
        let mut tokens: Vec<(u64, String)> = Vec::new();
        let mut most = 0;
        for step in 0..24 * 100 {
            scene.hands.advance(hour);
            // Replicas look at different times, and whoever verifies keeps the set for an hour.
            let replica = if step % 2 == 0 { &one } else { &other };
            replica.tend().await.unwrap();
            if step % 7 == 0 && step % 3 == 0 {
                one.rotate().await.unwrap();
            }
            for keys in [&one, &other] {
                let token = keys.sign("at+jwt", &json!({"at": step})).unwrap();
                assert!(verified(&token, &kept).is_some(), "at {step}");
                tokens.push((step, token));
            }
            tokens.retain(|(at, _)| step - at < 1);
            kept = replica.jwks();
            assert!(tokens.iter().all(|(_, token)| verified(token, &kept).is_some()), "at {step}");
            most = most.max(kids(&one).len());
        }
        assert!((2..=3).contains(&most), "{most} keys at once");
    }

    #[tokio::test]
    async fn keys_for_different_purposes_are_different() {
        let scene = Scene::new();
        let access = replica(&scene).await;
        let (store, clock) = (scene.store.clone(), scene.clock());
        let identity =
            Keys::open(store, Purpose::WebIdentity, Algorithm::Rs256, SCHEDULE, clock).await.unwrap();
        let token = identity.sign("JWT", &json!({"sub": "alice"})).unwrap();
        assert!(verified(&token, &identity.jwks()).is_some());
        assert!(verified(&token, &access.jwks()).is_none());
    }
}
