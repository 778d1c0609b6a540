//! Tokens that services get without a browser: for themselves, for whom they act, and for whom another issuer vouches.

mod actors;
mod bearer;
mod exchange;
#[cfg(test)]
mod tests;
mod trusted;

pub(super) use self::trusted::{Trusted, TrustedIssuer};

use super::{
    authorize::{self, Offer},
    client::Client,
    error::{Code, Fault, Problem, Refusal},
    family::Families,
    form::Form,
    grant::Grant,
    metadata::TOKEN,
    once::Once,
    own::OwnTokens,
    revocation::Revocations,
    subject,
};
use crate::store::Store;
use countersign::{clock::Clock, identity::LocalKeys};
use serde_json::{Map, Value};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What is needed for that.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) offer: Arc<Offer>,
    pub(super) own: OwnTokens,
    trusted: Trusted,
    once: Once,
    clock: Arc<dyn Clock>,
}

/// What a service gets.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) grant: Grant,
    /// Who acts for the subject.
    pub(super) act: Option<Value>,
    /// `None` for as long as access tokens usually last.
    pub(super) lifetime: Option<Duration>,
    /// What kind of token it is called, where that has to be said (RFC 8693).
    pub(super) token_type: Option<&'static str>,
}

impl Services {
    /// For tokens of `offer`, which are verified with `keys`.
    pub(super) fn new(
        offer: Arc<Offer>,
        keys: LocalKeys,
        families: Families,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let own = OwnTokens::new(&offer, keys, families, clock.clone())?;
        Ok(Self { offer, own, trusted: Trusted::default(), once: Once::new(store), clock })
    }

    /// Also believes what these issuers say of people.
    pub(super) fn trusting(mut self, trusted: Trusted) -> Self {
        self.trusted = trusted;
        self
    }

    /// Lets nothing pass that was ended by `revocations`.
    pub(super) fn heeding(mut self, revocations: Revocations) -> Self {
        self.own.heed(revocations);
        self
    }

    /// A service acts by itself.
    pub(super) fn by_itself(&self, client: &Client, form: &Form<'_>) -> Result<Issued, Refusal> {
        confidential(client)?;
        let grant = Grant {
            client: client.id.clone(),
            subject: subject::of_client(&client.id),
            resource: authorize::resource(form, &self.offer.resources)?,
            scopes: authorize::scopes(form, &self.offer.scopes)?,
            claims: Map::new(),
            session: String::new(),
        };
        Ok(Issued { grant, act: None, lifetime: None, token_type: None })
    }

    /// A service acts for whoever called it (RFC 8693).
    pub(super) async fn for_somebody(&self, client: &Client, form: &Form<'_>) -> Result<Issued, Problem> {
        confidential(client)?;
        self.exchange(client, form).await
    }

    /// Another issuer vouches for somebody (RFC 7523).
    pub(super) async fn vouched_for(&self, client: &Client, form: &Form<'_>) -> Result<Issued, Problem> {
        self.redeem_assertion(client, form).await
    }

    /// Whom tokens are for that prove something here: us, and our token endpoint.
    fn audiences(&self) -> [String; 2] {
        let issuer = &self.offer.issuer;
        [issuer.clone(), format!("{}{TOKEN}", issuer.trim_end_matches('/'))]
    }

    /// In whole seconds, as tokens have them.
    fn until(&self, end: SystemTime) -> Duration {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Duration::from_secs(seconds(end).saturating_sub(seconds(self.clock.now())))
    }
}

/// Whoever knows a public client's id could be it.
fn confidential(client: &Client) -> Result<(), Refusal> {
    let refused =
        || Refusal::new(Code::UnauthorizedClient, "only a client that proves who it is may use this");
    client.is_confidential().then_some(()).ok_or_else(refused)
}
