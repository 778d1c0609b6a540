//! Clients that describe themselves, at the address that is their id, and prove to be themselves with a key.

#[cfg(test)]
mod tests;

use super::{
    super::{
        error::{Code, Problem, Refusal},
        fetch::Fetcher,
        once::Once,
    },
    Client, PublicKeys,
    address::Address,
    document,
    shelf::{Shelf, Source},
};
use crate::store::Store;
use countersign::{
    clock::Clock,
    identity::{Issuer, LocalKeys, Verifier},
    proof::Identity,
};
use secrecy::SecretString;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// The clients whose descriptions are elsewhere.
#[derive(Clone, Debug)]
pub(in crate::issuer) struct Described {
    source: Arc<Source>,
    clients: Shelf<Client>,
    keys: Shelf<LocalKeys>,
    audiences: [String; 2],
    once: Once,
    clock: Arc<dyn Clock>,
}

/// How far ahead an assertion may end. It is made for one request.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// How far a client's clock may be from ours.
const LEEWAY: Duration = Duration::from_secs(30);

impl Described {
    /// Fetched with `fetcher`. Assertions are for `issuer`, or for its token endpoint.
    pub(in crate::issuer) fn new(
        fetcher: Fetcher,
        [issuer, token_endpoint]: [&str; 2],
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source = Arc::new(Source::new(fetcher, clock.clone()));
        Self {
            clients: Shelf::new(source.clone(), document::read),
            keys: Shelf::new(source.clone(), document::read_keys),
            source,
            audiences: [issuer.to_owned(), token_endpoint.to_owned()],
            once: Once::new(store),
            clock,
        }
    }

    /// The client whose id is an address.
    ///
    /// # Errors
    ///
    /// Why there is none, for its developer.
    pub(super) async fn find(&self, id: &str) -> Result<Client, Refusal> {
        self.clients.get(&Address::parse(id, self.source.reach())?).await
    }

    /// Believes that a request is from `client`, for what was signed with one of its `keys` (RFC 7523, section 2.2).
    pub(super) async fn check(
        &self,
        client: &Client,
        keys: &PublicKeys,
        assertion: &str,
    ) -> Result<(), Problem> {
        let assertion = SecretString::from(assertion);
        let identity = match keys {
            PublicKeys::Given(jwks) => {
                let keys = LocalKeys::parse(jwks).map_err(|_| wrong("its keys cannot be read"))?;
                self.verify(&client.id, keys, &assertion).await?
            }
            PublicKeys::At(address) => {
                let address = Address::parse(address, self.source.reach())
                    .map_err(|_| wrong("its `jwks_uri` is no address with https and a path"))?;
                match self.verify(&client.id, self.keys.get(&address).await?, &assertion).await {
                    Ok(identity) => identity,
                    // It may be signed with a key that is newer than what is kept.
                    Err(_) => {
                        self.verify(&client.id, self.keys.get_anew(&address).await?, &assertion).await?
                    }
                }
            }
        };
        self.spend(&identity).await
    }

    async fn verify(&self, id: &str, keys: LocalKeys, assertion: &SecretString) -> Result<Identity, Refusal> {
        let [issuer, token_endpoint] = &self.audiences;
        let client =
            Issuer::new(id, issuer).with_audience(token_endpoint).with_keys(keys).with_leeway(LEEWAY);
        let verifier =
            Verifier::builder().trust(client).without_memory().with_clock(self.clock.clone()).build();
        let verifier = verifier.map_err(|_| wrong("the client's id cannot stand as an issuer"))?;
        verifier.verify(assertion).await.map_err(|error| wrong(&error.to_string()))
    }

    /// What is not about the signature, and that it is the first time.
    async fn spend(&self, identity: &Identity) -> Result<(), Problem> {
        if identity.subject() != identity.issuer() {
            return Err(wrong("`sub` has to be the client's id, as `iss` is").into());
        }
        if identity.claim("aud").and_then(Value::as_array).is_some_and(|many| many.len() > 1) {
            return Err(wrong("it is for others as well, who could use it here").into());
        }
        let id = identity.claim("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| wrong("it has no `jti`"))?;
        let left = identity.expires().and_then(|end| end.duration_since(self.clock.now()).ok());
        let left = left.unwrap_or_default();
        if left > LONGEST + LEEWAY {
            return Err(wrong("it ends more than ten minutes from now").into());
        }
        if self.once.first(identity.issuer(), id, left + 2 * LEEWAY).await? {
            Ok(())
        } else {
            Err(wrong("it was used before").into())
        }
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::InvalidClient, format!("the client's assertion: {what}"))
}
