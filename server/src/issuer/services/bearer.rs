//! Assertions as grants (RFC 7523, section 2.1): an issuer that is trusted vouches for somebody, once.

use super::{
    super::{
        authorize, claimed,
        client::Client,
        error::{Code, Problem, Refusal},
        form::Form,
        grant::Grant,
        subject,
    },
    Issued, Services,
    trusted::TrustedIssuer,
};
use countersign::proof::Identity;
use secrecy::SecretString;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// How far ahead an assertion may end.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How far clocks may be apart when an assertion is forgotten.
const LEEWAY: Duration = Duration::from_secs(10 * 60);

impl Services {
    pub(super) async fn redeem_assertion(&self, client: &Client, form: &Form<'_>) -> Result<Issued, Problem> {
        let assertion = form.need("assertion")?;
        let unknown = || wrong("it is from an issuer whose word does not count here");
        let issuer = claimed::issuer(assertion).ok_or_else(unknown)?;
        let trusted = self.trusted.named(&issuer).ok_or_else(unknown)?;
        let verifier = trusted.assertions.as_ref().ok_or_else(unknown)?;
        let identity = verifier.verify(&SecretString::from(assertion)).await.map_err(|error| {
            tracing::info!(issuer, %error, "an assertion was not believed");
            wrong("it is not good: look at its signature, its audience and its time")
        })?;
        self.is_for_us(client, &identity)?;
        let resource = authorize::resource(form, &self.offer.resources)?;
        if identity.claim("resource").is_some_and(|only| !names(only, &resource)) {
            return Err(Refusal::new(Code::InvalidTarget, "the assertion is for another `resource`").into());
        }
        let scopes = authorize::scopes(form, &self.at_most(trusted, &identity))?;
        // Last, as a refusal before this spends nothing.
        self.spend(&identity).await?;
        let known = |name: &String| Some((name.clone(), identity.claim(name)?.clone()));
        let grant = Grant {
            client: client.id.clone(),
            subject: subject::stable(identity.issuer(), identity.subject()),
            resource,
            scopes,
            claims: trusted.claims.iter().filter_map(known).collect(),
            session: String::new(),
        };
        Ok(Issued { grant, act: None, lifetime: None, token_type: None })
    }

    /// Made for this server alone, and, where it says so, for this client.
    fn is_for_us(&self, client: &Client, identity: &Identity) -> Result<(), Refusal> {
        let ours = self.audiences();
        let audience = match identity.claim("aud") {
            Some(Value::String(one)) => Some(one),
            Some(Value::Array(many)) => match many.as_slice() {
                [Value::String(one)] => Some(one),
                _ => None,
            },
            _ => None,
        };
        if !audience.is_some_and(|audience| ours.contains(audience)) {
            return Err(wrong("`aud` has to be this server or its token endpoint, and nothing besides"));
        }
        if identity.claim("client_id").is_some_and(|other| other != client.id.as_str()) {
            return Err(wrong("it was made for another client"));
        }
        Ok(())
    }

    fn at_most(&self, trusted: &TrustedIssuer, identity: &Identity) -> BTreeSet<String> {
        let most = trusted.scopes.intersection(&self.offer.scopes);
        let said = identity.claim("scope").is_some();
        most.filter(|scope| !said || identity.has_scope(scope)).cloned().collect()
    }

    async fn spend(&self, identity: &Identity) -> Result<(), Problem> {
        let id = identity.claim("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| wrong("it has no `jti`"))?;
        let left = identity.expires().map(|end| self.until(end)).unwrap_or_default();
        if left > LONGEST {
            return Err(wrong("it ends more than an hour from now").into());
        }
        if self.once.first(identity.issuer(), id, left + LEEWAY).await? {
            Ok(())
        } else {
            Err(wrong("it was used before").into())
        }
    }
}

/// A string, or a list with it.
fn names(claim: &Value, wanted: &str) -> bool {
    match claim {
        Value::String(one) => one == wanted,
        Value::Array(many) => many.iter().any(|one| one == wanted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::InvalidGrant, format!("`assertion`: {what}"))
}
