//! Token exchange (RFC 8693): a service that was called by somebody goes on in their name, and everybody can see that.

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
    actors::Actor,
};
use countersign::proof::Identity;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// Somebody whom a token is about.
struct Party {
    /// Who says so.
    issuer: String,
    /// As we call them.
    subject: String,
    /// For which client the token was made, where it is one of ours.
    client: Option<String>,
    scopes: BTreeSet<String>,
    claims: Map<String, Value>,
    session: String,
    act: Option<Value>,
    may_act: Option<Value>,
    ends: SystemTime,
}

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A delegation is for the task at hand.
const LONGEST: Duration = Duration::from_secs(15 * 60);

impl Services {
    pub(super) async fn exchange(&self, client: &Client, form: &Form<'_>) -> Result<Issued, Problem> {
        let token_type = match form.get("requested_token_type") {
            None | Some(ACCESS_TOKEN) => ACCESS_TOKEN,
            Some(JWT) => JWT,
            Some(_) => return Err(wrong("`requested_token_type` is access_token or jwt").into()),
        };
        let who = self.party(form, "subject_token").await?;
        let (actor, actor_ends) = self.actor(client, form).await?;
        actor.is_let_by(who.may_act.as_ref())?;
        let act = actor.before(who.act.as_ref())?;
        let resource = self.target(form)?;
        let scopes = self.narrowed(form, &who)?;
        let lifetime = [Some(who.ends), actor_ends].into_iter().flatten();
        let lifetime = lifetime.map(|end| self.until(end)).fold(LONGEST, Duration::min);
        if lifetime < Duration::from_secs(1) {
            return Err(wrong("`subject_token` ends at this moment").into());
        }
        let Party { subject, claims, session, .. } = who;
        let grant = Grant { client: client.id.clone(), subject, resource, scopes, claims, session };
        Ok(Issued { grant, act: Some(act), lifetime: Some(lifetime), token_type: Some(token_type) })
    }

    /// Whom the token in this parameter is about: one of ours, or of an issuer that is trusted for that.
    async fn party(&self, form: &Form<'_>, name: &str) -> Result<Party, Problem> {
        let token = form.need(name)?;
        let kind = form.need(&format!("{name}_type"))?;
        if ![ACCESS_TOKEN, JWT, ID_TOKEN].contains(&kind) {
            return Err(wrong(&format!("`{name}_type` is access_token, id_token or jwt")).into());
        }
        let bad = || wrong(&format!("`{name}` is no token that is good here"));
        let issuer = claimed::issuer(token).ok_or_else(bad)?;
        if issuer == self.offer.issuer {
            if kind == ID_TOKEN {
                return Err(bad().into());
            }
            return Ok(ours(&self.own.live(token).await?.ok_or_else(bad)?));
        }
        let trusted = self.trusted.named(&issuer).ok_or_else(bad)?;
        let verifier = trusted.subjects.as_ref().ok_or_else(bad)?;
        let identity = verifier.verify(&SecretString::from(token)).await.map_err(|error| {
            tracing::info!(issuer, %error, "a token was not exchanged");
            bad()
        })?;
        let known = |name: &String| Some((name.clone(), identity.claim(name)?.clone()));
        Ok(Party {
            issuer: identity.issuer().to_owned(),
            subject: subject::stable(identity.issuer(), identity.subject()),
            client: None,
            scopes: identity
                .scopes()
                .iter()
                .filter(|scope| trusted.scopes.contains(*scope))
                .cloned()
                .collect(),
            claims: trusted.claims.iter().filter_map(known).collect(),
            session: String::new(),
            act: identity.claim("act").cloned(),
            may_act: identity.claim("may_act").cloned(),
            ends: ends(&identity),
        })
    }

    /// The service itself, or whoever it shows a token of: one that was made for it.
    async fn actor(&self, client: &Client, form: &Form<'_>) -> Result<(Actor, Option<SystemTime>), Problem> {
        let issuer = self.offer.issuer.clone();
        if form.get("actor_token").is_none() {
            if form.get("actor_token_type").is_some() {
                return Err(wrong("`actor_token_type` is there, and no `actor_token`").into());
            }
            let subject = subject::of_client(&client.id);
            return Ok((Actor { issuer, subject, client: client.id.clone() }, None));
        }
        let party = self.party(form, "actor_token").await?;
        if party.issuer != issuer || party.client.as_ref() != Some(&client.id) {
            return Err(wrong("`actor_token` was not made here for this client").into());
        }
        if party.act.is_some() {
            return Err(wrong("`actor_token` is about somebody for whom others act").into());
        }
        Ok((Actor { issuer, subject: party.subject, client: client.id.clone() }, Some(party.ends)))
    }

    /// What the token is to be for: `resource` and `audience` say the same here, and once.
    fn target(&self, form: &Form<'_>) -> Result<String, Refusal> {
        let Some(audience) = form.get("audience") else {
            return authorize::resource(form, &self.offer.resources);
        };
        let refused = |what| Refusal::new(Code::InvalidTarget, what);
        if form.all("resource").any(|resource| resource != audience) {
            return Err(refused("`audience` and `resource` name different targets, and a token is for one"));
        }
        let known = self.offer.resources.iter().any(|resource| resource == audience);
        known
            .then(|| audience.to_owned())
            .ok_or_else(|| refused("`audience` is none that tokens are given for here"))
    }

    /// No more than what the subject's token grants.
    fn narrowed(&self, form: &Form<'_>, who: &Party) -> Result<BTreeSet<String>, Refusal> {
        let most: BTreeSet<String> = who.scopes.intersection(&self.offer.scopes).cloned().collect();
        authorize::scopes(form, &most)
    }
}

fn ours(identity: &Identity) -> Party {
    let text = |name: &str| identity.claim(name).and_then(Value::as_str).map(str::to_owned);
    Party {
        issuer: identity.issuer().to_owned(),
        subject: identity.subject().to_owned(),
        client: text("client_id"),
        scopes: identity.scopes().iter().cloned().collect(),
        // What is ours to say stands there anew.
        claims: identity.claims().clone(),
        session: text("sid").unwrap_or_default(),
        act: identity.claim("act").cloned(),
        may_act: identity.claim("may_act").cloned(),
        ends: ends(identity),
    }
}

fn ends(identity: &Identity) -> SystemTime {
    identity.expires().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::InvalidRequest, what)
}
