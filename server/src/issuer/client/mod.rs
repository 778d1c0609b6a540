//! Who may ask people to sign in: clients that the operator names, and clients that registered themselves.

mod registration;

pub(super) use self::registration::Wish;

use super::{
    error::{Code, Fault, Problem, Refusal},
    redirect::Redirect,
    secret::{self, Mark},
};
use crate::store::{Expect, Namespace, Store, Terms};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    /// What it calls itself. Anybody may call themselves anything.
    pub(super) name: Option<String>,
    pub(super) redirects: Vec<Redirect>,
    pub(super) proof: Proof,
}

/// How a client shows that it is itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Proof {
    /// Not at all: a program on somebody's machine keeps no secret.
    None,
    Secret(Mark),
}

/// What a request said of who sent it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    pub(super) id: &'a str,
    pub(super) secret: Option<&'a str>,
}

/// Every client there is.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    named: BTreeMap<String, Client>,
    store: Store,
    limits: Limits,
}

/// What keeps strangers from filling the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For how long a client that nobody uses is known.
    pub(crate) idle: Duration,
    /// How many may register from one address, in an hour.
    pub(crate) from_one_address: u64,
    /// How many may register from anywhere, in an hour.
    pub(crate) from_anywhere: u64,
}

const CLIENTS: Namespace = Namespace::new("clients");
const REGISTRATIONS: Namespace = Namespace::new("registrations");

const HOUR: Duration = Duration::from_secs(3600);

impl Clients {
    /// `named` are the operator's own.
    pub(super) fn new(named: impl IntoIterator<Item = Client>, store: Store, limits: Limits) -> Self {
        let named = named.into_iter().map(|client| (client.id.clone(), client)).collect();
        Self { named, store, limits }
    }

    /// Whether it is one of the operator's own.
    pub(super) fn is_named(&self, id: &str) -> bool {
        self.named.contains_key(id)
    }

    /// The client with this id. One that registered itself stays known for as long as it is asked for.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Client>, Fault> {
        if let Some(client) = self.named.get(id) {
            return Ok(Some(client.clone()));
        }
        let key = CLIENTS.key(&[id]);
        let Some(stored) = self.store.get::<Client>(&key).await? else { return Ok(None) };
        let terms = Terms::lasting(self.limits.idle);
        // Whoever removed it meanwhile is right.
        self.store.put(&key, &stored.value, &terms, Expect::Version(stored.version)).await?;
        Ok(Some(stored.value))
    }

    /// The client that sent a request, if it is who it says.
    pub(super) async fn authenticated(&self, shown: Credentials<'_>) -> Result<Client, Problem> {
        let refused = || Refusal::new(Code::InvalidClient, "the client is unknown, or its secret is wrong");
        let client = self.find(shown.id).await?.ok_or_else(refused)?;
        let is_it = match (&client.proof, shown.secret) {
            (Proof::None, None) => true,
            (Proof::Secret(mark), Some(secret)) => mark.is_of(secret),
            (Proof::None, Some(_)) | (Proof::Secret(_), None) => false,
        };
        if is_it { Ok(client) } else { Err(refused().into()) }
    }

    /// A client that registers itself from `address`, and its secret where it wished for one: it is told here and never
    /// again.
    pub(super) async fn register(
        &self,
        wish: Wish,
        address: &str,
    ) -> Result<(Client, Option<String>), Problem> {
        let counted = [(Some(address), self.limits.from_one_address), (None, self.limits.from_anywhere)];
        for (who, most) in counted {
            let key = REGISTRATIONS.key(who.as_slice());
            if self.store.add(&key, 1, HOUR).await? > most {
                let what = "too many clients have registered; try again in an hour";
                return Err(Refusal::new(Code::SlowDown, what).into());
            }
        }
        let secret = if wish.secret { Some(secret::fresh()?) } else { None };
        let proof = secret.as_deref().map_or(Proof::None, |secret| Proof::Secret(Mark::of(secret)));
        let client = Client { id: secret::fresh_id()?, name: wish.name, redirects: wish.redirects, proof };
        let terms = Terms::lasting(self.limits.idle);
        match self.store.put(&CLIENTS.key(&[&client.id]), &client, &terms, Expect::Absent).await? {
            Some(_) => Ok((client, secret)),
            None => Err(Fault::defect("a client's id was made twice").into()),
        }
    }

    /// Forgets a client that registered itself. `false` for one that is not known.
    pub(super) async fn forget(&self, id: &str) -> Result<bool, Fault> {
        Ok(self.store.remove(&CLIENTS.key(&[id]), Expect::Anything).await?)
    }
}

impl Client {
    /// Where the browser goes back to: the address that a request names, if the client registered it; the only one that it
    /// registered where none is named.
    ///
    /// # Errors
    ///
    /// Which must be told to the person and never by redirect: nobody knows where that would lead.
    pub(super) fn redirect(&self, told: Option<&str>) -> Result<Redirect, Refusal> {
        let refused = |what| Refusal::new(Code::InvalidRequest, what);
        let Some(told) = told else {
            return match self.redirects.as_slice() {
                // One without a port stands for many.
                [only] if !only.is_local() => Ok(only.clone()),
                _ => Err(refused("the request names no `redirect_uri`, and the client has several")),
            };
        };
        let told =
            Redirect::parse(told).map_err(|_| refused("`redirect_uri` is no address to go back to"))?;
        if self.redirects.iter().any(|registered| registered.is_meant_by(&told)) {
            return Ok(told);
        }
        Err(refused("`redirect_uri` is none that the client registered"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::Scene;
    use serde_json::json;

    const LIMITS: Limits =
        Limits { idle: Duration::from_secs(24 * 3600), from_one_address: 3, from_anywhere: 5 };

    fn wish(method: &str) -> Wish {
        let redirects = ["https://client.example/callback", "http://127.0.0.1/callback"];
        let document = json!({"redirect_uris": redirects, "token_endpoint_auth_method": method});
        Wish::parse(document.to_string().as_bytes()).unwrap()
    }

    fn clients(scene: &Scene) -> Clients {
        let own = Client {
            id: "own".into(),
            name: None,
            redirects: vec![Redirect::parse("https://own.example/callback").unwrap()],
            proof: Proof::Secret(Mark::of("word")),
        };
        Clients::new([own], scene.store.clone(), LIMITS)
    }

    fn code(problem: Problem) -> Code {
        match problem {
            Problem::Refused(refusal) => refusal.code(),
            Problem::Fault(fault) => panic!("{fault}"),
        }
    }

    #[tokio::test]
    async fn a_client_is_who_it_can_prove_to_be() {
        let scene = Scene::new();
        let clients = clients(&scene);
        let (public, none) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
        let (secretive, secret) = clients.register(wish("client_secret_basic"), "192.0.2.1").await.unwrap();
        assert_eq!(none, None);
        let secret = secret.unwrap();
        for (id, shown, good) in [
            ("own", Some("word"), true),
            ("own", Some("wor"), false),
            ("own", None, false),
            (public.id.as_str(), None, true),
            (public.id.as_str(), Some("anything"), false),
            (secretive.id.as_str(), Some(secret.as_str()), true),
            (secretive.id.as_str(), Some("anything"), false),
            (secretive.id.as_str(), None, false),
            ("nobody", None, false),
            ("", None, false),
        ] {
            match clients.authenticated(Credentials { id, secret: shown }).await {
                Ok(client) => assert!(good && client.id == id, "{id} {shown:?}"),
                Err(problem) => {
                    assert_eq!((good, code(problem)), (false, Code::InvalidClient), "{id} {shown:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn it_is_known_for_as_long_as_it_is_used() {
        let scene = Scene::new();
        let clients = clients(&scene);
        let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
        for _ in 0..3 {
            scene.hands.advance(LIMITS.idle - Duration::from_secs(1));
            assert_eq!(clients.find(&client.id).await.unwrap().as_ref(), Some(&client));
        }
        scene.hands.advance(LIMITS.idle);
        assert_eq!(clients.find(&client.id).await.unwrap(), None);
        let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
        assert!(clients.forget(&client.id).await.unwrap());
        assert_eq!(clients.find(&client.id).await.unwrap(), None);
        assert!(!clients.forget("own").await.unwrap(), "the operator's own stay");
    }

    #[tokio::test]
    async fn a_flood_ends_at_the_door() {
        let scene = Scene::new();
        let clients = clients(&scene);
        for _ in 0..LIMITS.from_one_address {
            clients.register(wish("none"), "192.0.2.1").await.unwrap();
        }
        assert_eq!(code(clients.register(wish("none"), "192.0.2.1").await.unwrap_err()), Code::SlowDown);
        clients.register(wish("none"), "192.0.2.2").await.unwrap();
        clients.register(wish("none"), "192.0.2.3").await.unwrap();
        assert_eq!(code(clients.register(wish("none"), "192.0.2.4").await.unwrap_err()), Code::SlowDown);
        scene.hands.advance(HOUR);
        clients.register(wish("none"), "192.0.2.1").await.unwrap();
    }

    #[tokio::test]
    async fn the_browser_goes_where_the_client_registered_and_nowhere_else() {
        let scene = Scene::new();
        let clients = clients(&scene);
        let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
        let goes = |told: &str| client.redirect(Some(told)).map(|redirect| redirect.as_str().to_owned());
        assert_eq!(goes("http://127.0.0.1:51004/callback").unwrap(), "http://127.0.0.1:51004/callback");
        assert_eq!(goes("https://client.example/callback").unwrap(), "https://client.example/callback");
        for told in ["https://evil.example/callback", "https://client.example/callback/", "javascript:x", ""]
        {
            assert!(goes(told).is_err(), "{told}");
        }
        assert!(client.redirect(None).is_err());
        let own = clients.find("own").await.unwrap().unwrap();
        assert_eq!(own.redirect(None).unwrap().as_str(), "https://own.example/callback");
    }
}
