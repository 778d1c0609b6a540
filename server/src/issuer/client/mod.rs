//! Who may ask for tokens: clients that the operator names, clients that describe themselves at an address, and clients
//! that registered themselves.

mod address;
mod described;
mod document;
mod grant_type;
mod registration;
mod shelf;
#[cfg(test)]
mod tests;

pub(super) use self::{described::Described, grant_type::GrantType, registration::Wish};

use self::address::Address;
use super::{
    error::{Code, Fault, Problem, Refusal},
    redirect::Redirect,
    secret::{self, Mark},
};
use crate::store::{Expect, Namespace, Store, Stored, Terms};
use countersign::clock::Clock;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    /// What it calls itself. Anybody may call themselves anything.
    pub(super) name: Option<String>,
    pub(super) redirects: Vec<Redirect>,
    pub(super) proof: Proof,
    /// In which ways it may have tokens.
    pub(super) grants: BTreeSet<GrantType>,
}

/// How a client shows that it is itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Proof {
    /// Not at all: a program on somebody's machine keeps no secret.
    None,
    Secret(Mark),
    Key(PublicKeys),
}

/// Where the public halves of a client's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PublicKeys {
    /// A key set, as text.
    Given(String),
    At(String),
}

/// What a request said of who sent it.
#[derive(Clone, Copy)]
pub(super) struct Credentials<'a> {
    pub(super) id: &'a str,
    pub(super) evidence: Evidence<'a>,
}

/// What it showed for that.
#[derive(Clone, Copy)]
pub(super) enum Evidence<'a> {
    Nothing,
    Secret(&'a str),
    /// A JWT that the client signed.
    Assertion(&'a str),
}

/// Every client there is.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    named: BTreeMap<String, Client>,
    described: Option<Described>,
    store: Store,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

/// One that registered itself, and when somebody asked for it, in seconds since 1970: that is not written each time.
#[derive(Serialize, Deserialize)]
struct Registered {
    client: Client,
    used: u64,
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
    pub(super) fn new(
        named: impl IntoIterator<Item = Client>,
        store: Store,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let named = named.into_iter().map(|client| (client.id.clone(), client)).collect();
        Self { named, described: None, store, limits, clock }
    }

    /// Also those that describe themselves.
    pub(super) fn with_described(mut self, described: Described) -> Self {
        self.described = Some(described);
        self
    }

    /// Whether clients may describe themselves.
    pub(super) const fn has_described(&self) -> bool {
        self.described.is_some()
    }

    /// Whether the operator named it.
    pub(super) fn is_named(&self, id: &str) -> bool {
        self.named.contains_key(id)
    }

    /// In which ways some client may have tokens.
    pub(super) fn grants(&self) -> BTreeSet<GrantType> {
        let named = self.named.values().flat_map(|client| &client.grants).copied();
        GrantType::for_people().into_iter().chain(named).collect()
    }

    /// The client with this id. One that registered itself stays known for as long as it is asked for.
    ///
    /// # Errors
    ///
    /// Where a client describes itself and that cannot be had or used: why, for its developer.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Client>, Problem> {
        if let Some(client) = self.named.get(id) {
            return Ok(Some(client.clone()));
        }
        if Address::is_claimed_by(id) {
            let not_here =
                || Refusal::new(Code::InvalidClient, "ids that are addresses are not looked up here");
            let described = self.described.as_ref().ok_or_else(not_here)?;
            return Ok(Some(described.find(id).await?));
        }
        let stored = self.store.get::<Registered>(&CLIENTS.key(&[id])).await?;
        match stored {
            Some(stored) => Ok(Some(self.used(id, stored).await?)),
            None => Ok(None),
        }
    }

    /// The client that sent a request, if it is who it says.
    pub(super) async fn authenticated(&self, credentials: Credentials<'_>) -> Result<Client, Problem> {
        let refused = || Refusal::new(Code::InvalidClient, "the client is unknown, or its secret is wrong");
        let client = self.find(credentials.id).await?.ok_or_else(refused)?;
        let is_it = match (&client.proof, credentials.evidence) {
            (Proof::None, Evidence::Nothing) => true,
            (Proof::Secret(mark), Evidence::Secret(secret)) => mark.is_of(secret),
            (Proof::Key(keys), Evidence::Assertion(assertion)) => {
                let described = self.described.as_ref().ok_or_else(refused)?;
                described.check(&client, keys, assertion).await?;
                true
            }
            (Proof::None | Proof::Secret(_) | Proof::Key(_), _) => false,
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
        let Wish { name, redirects, .. } = wish;
        let grants = GrantType::for_people();
        let client = Client { id: secret::fresh_id()?, name, redirects, proof, grants };
        let registered = Registered { client, used: self.now() };
        let (key, terms) = (CLIENTS.key(&[&registered.client.id]), Terms::lasting(self.limits.idle));
        match self.store.put(&key, &registered, &terms, Expect::Absent).await? {
            Some(_) => Ok((registered.client, secret)),
            None => Err(Fault::defect("a client's id was made twice").into()),
        }
    }

    /// Forgets a client that registered itself. `false` for one that is not known.
    pub(super) async fn forget(&self, id: &str) -> Result<bool, Fault> {
        Ok(self.store.remove(&CLIENTS.key(&[id]), Expect::Anything).await?)
    }

    /// Keeps a client for as long again, once half of its time is over.
    async fn used(&self, id: &str, stored: Stored<Registered>) -> Result<Client, Fault> {
        let (now, Stored { value: Registered { client, used }, version, .. }) = (self.now(), stored);
        if now.saturating_sub(used) <= self.limits.idle.as_secs() / 2 {
            return Ok(client);
        }
        let (registered, terms) = (Registered { client, used: now }, Terms::lasting(self.limits.idle));
        // Whoever removed it meanwhile is right.
        self.store.put(&CLIENTS.key(&[id]), &registered, &terms, Expect::Version(version)).await?;
        Ok(registered.client)
    }

    fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl Client {
    pub(super) fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether it keeps something secret, and so can be told from whoever knows its id.
    pub(super) fn is_confidential(&self) -> bool {
        match self.proof {
            Proof::None => false,
            Proof::Secret(_) | Proof::Key(_) => true,
        }
    }

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
