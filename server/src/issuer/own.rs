//! Access tokens of ours that come back: whether they are still good, and what they say.

use super::{authorize::Offer, error::Fault, family::Families, revocation::Revocations};
use countersign::{
    clock::Clock,
    identity::{Algorithm, Issuer, LocalKeys, Verifier},
    proof::Identity,
};
use secrecy::SecretString;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Knows our own tokens again.
#[derive(Clone, Debug)]
pub(super) struct OwnTokens {
    verifier: Verifier,
    families: Families,
    revocations: Option<Revocations>,
}

impl OwnTokens {
    /// Those of `offer`, signed with `keys`.
    pub(super) fn new(
        offer: &Offer,
        keys: LocalKeys,
        families: Families,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let [first, others @ ..] = offer.resources.as_slice() else {
            return Err(Fault::defect("tokens are given for nothing here"));
        };
        let ours = Issuer::new(&offer.issuer, first)
            .with_algorithms([Algorithm::Es256, Algorithm::Rs256])
            .with_token_type("at+jwt")
            // It is the same clock.
            .with_leeway(Duration::ZERO)
            .with_keys(keys);
        let ours = others.iter().fold(ours, Issuer::with_audience);
        // Rarely asked about twice, and ended at any time: nothing is remembered.
        let verifier = Verifier::builder().trust(ours).without_memory().with_clock(clock).build();
        let verifier = verifier.map_err(|_| Fault::defect("our own name cannot stand as an issuer"))?;
        Ok(Self { verifier, families, revocations: None })
    }

    /// Also those that were ended before their time, though nobody signed in for them.
    pub(super) fn heed(&mut self, revocations: Revocations) {
        self.revocations = Some(revocations);
    }

    /// What an access token says that we issued, for as long as it lasts and nobody ended the sign-in that it is of.
    pub(super) async fn live(&self, token: &str) -> Result<Option<Identity>, Fault> {
        let Ok(identity) = self.verifier.verify(&SecretString::from(token)).await else { return Ok(None) };
        if self.revocations.as_ref().is_some_and(|revocations| revocations.has_ended(&identity)) {
            return Ok(None);
        }
        let alive = match identity.claim("sid").map(Value::as_str) {
            Some(Some(session)) => self.families.has_session(session).await?,
            Some(None) => false,
            // Nobody signed in: a service got it by itself.
            None => true,
        };
        Ok(alive.then_some(identity))
    }
}
