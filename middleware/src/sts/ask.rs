use super::{
    entry::TokenMark,
    key::{self, Digest, Fields, Key, KeyRef, Short},
    limits,
    mint::MintOrder,
    provider::{AssumeStep, CallerProof, CredentialRequest},
    refusal::Refusal,
    session::{Session, Source, Upstream},
    step::{Chosen, Step},
    view::View,
    web_identity,
};
use crate::{
    error::{Error, Kind},
    expression::Facts,
    proof::{AwsRole, Identity, Outbound, Proves},
};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::SystemTime};

/// One request's wish for credentials, as long as it is only looked for.
pub(super) struct Glance<'a> {
    session: &'a Session,
    caller: &'a Identity,
    role: &'a AwsRole,
    who: Who<'a>,
    /// What was worked out for this call. `None` where the session is the same for everybody.
    chosen: Option<(Arc<[Chosen]>, Short)>,
}

enum Who<'a> {
    Known(&'a Digest),
    Upstream(SecretString, Digest),
}

/// The same, to be kept: what finds credentials, and what has them made.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) key: Key,
    caller: Identity,
    session: Session,
    /// `None` where the session is the same for everybody, and it is worked out when it is needed.
    chosen: Option<Arc<[Chosen]>>,
    upstream: Option<SecretString>,
}

impl<'a> Glance<'a> {
    pub(super) fn at<P>(session: &'a Session, proof: &'a P, method: &Method) -> Result<Self, Error>
    where
        P: Proves<AwsRole> + Proves<Identity> + Outbound,
    {
        let (caller, role): (&Identity, &AwsRole) = (proof.fact(), proof.fact());
        let who = match session.source() {
            Source::Caller => Who::Known(key::by_token(caller)),
            Source::Minted(_) | Source::Brokered(_) => Who::Known(key::by_name(caller)),
            Source::Upstream { provider, which } => {
                let token = upstream_token(proof, provider, *which)?;
                let digest = upstream_digest(token.expose_secret(), key::by_name(caller));
                Who::Upstream(token, digest)
            }
        };
        let chosen = if session.is_fixed() {
            None
        } else {
            let facts = Facts::of(proof, method);
            let chosen = choose(session, &View { role, facts: Some(&facts) })?;
            let digest = particulars(&chosen);
            Some((chosen, digest))
        };
        Ok(Self { session, caller, role, who, chosen })
    }

    pub(super) fn key(&self) -> KeyRef<'_> {
        KeyRef {
            who: match &self.who {
                Who::Known(digest) => digest,
                Who::Upstream(_, digest) => digest,
            },
            session: self.session.digest(),
            particulars: self.chosen.as_ref().map(|(_, digest)| digest),
            role: self.role,
        }
    }

    pub(super) fn to_ask(&self) -> Ask {
        Ask {
            key: self.key().to_key(),
            caller: self.caller.clone(),
            session: self.session.clone(),
            chosen: self.chosen.as_ref().map(|(chosen, _)| chosen.clone()),
            upstream: match &self.who {
                Who::Known(_) => None,
                Who::Upstream(token, _) => Some(token.clone()),
            },
        }
    }
}

impl Ask {
    /// What the person is found by, whatever session it is.
    pub(super) fn person(&self) -> Digest {
        key::person(self.caller.issuer(), self.caller.subject())
    }

    /// Whose own fault a refusal may be. `None` where no token of the caller's is shown to STS.
    pub(super) fn mark(&self) -> Option<TokenMark> {
        self.token().map(|token| key::mark(token.expose_secret()))
    }

    /// When credentials are to end with their caller.
    pub(super) fn caller_ends(&self) -> Option<SystemTime> {
        self.session.ends_with_caller().then(|| self.caller.honoured_until()).flatten()
    }

    /// Everything that STS is to be told.
    pub(super) async fn request(&self) -> Result<CredentialRequest, Refusal> {
        let chosen = match &self.chosen {
            Some(chosen) => chosen.clone(),
            None => choose(&self.session, &View { role: &self.key.role, facts: None })
                .map_err(|error| Refusal::new(error.kind(), error))?,
        };
        let mut chosen = chosen.iter();
        let next = |step: &Step, role: AwsRole| assembled(step, role, chosen.next());
        let (mut first, hops) = self.steps(next)?;
        let proof = match self.session.source() {
            Source::Caller | Source::Upstream { .. } => {
                CallerProof::WebIdentity(web_identity::exchangeable(self.token())?.clone())
            }
            Source::Minted(minter) => {
                // With a web identity STS reads these from the token.
                let order = MintOrder {
                    caller: self.caller.clone(),
                    role_arn: first.role_arn().to_owned(),
                    tags: std::mem::take(&mut first.tags),
                    transitive_tag_keys: std::mem::take(&mut first.transitive_tag_keys),
                    source_identity: first.source_identity.take(),
                };
                let token = minter.mint(order).await?;
                CallerProof::WebIdentity(web_identity::exchangeable(Some(&token))?.clone())
            }
            Source::Brokered(service) => CallerProof::Credentials(service.credentials().await?),
        };
        Ok(CredentialRequest { caller: self.caller.clone(), proof, first, hops })
    }

    /// The service's own credentials were at fault, so there is another try with new ones. `None` where no other can
    /// be had.
    pub(super) async fn renewed(&self, request: &CredentialRequest) -> Option<CredentialRequest> {
        let (Source::Brokered(service), CallerProof::Credentials(spent)) =
            (self.session.source(), &request.proof)
        else {
            return None;
        };
        service.forget(spent.access_key_id());
        let fresh = service.credentials().await.ok()?;
        (fresh.access_key_id() != spent.access_key_id())
            .then(|| CredentialRequest { proof: CallerProof::Credentials(fresh), ..request.clone() })
    }

    fn steps(
        &self,
        mut next: impl FnMut(&Step, AwsRole) -> Result<AssumeStep, Refusal>,
    ) -> Result<(AssumeStep, Vec<AssumeStep>), Refusal> {
        let role = &self.key.role;
        let first = next(self.session.first(), role.clone())?;
        let hops = self.session.hops().iter().map(|hop| {
            let name = hop.session_name.as_deref().unwrap_or(role.session_name());
            next(&hop.step, AwsRole::new(hop.role.shared(), name))
        });
        Ok((first, hops.collect::<Result<_, _>>()?))
    }

    fn token(&self) -> Option<&SecretString> {
        match self.session.source() {
            Source::Caller => self.caller.token(),
            Source::Upstream { .. } => self.upstream.as_ref(),
            Source::Minted(_) | Source::Brokered(_) => None,
        }
    }
}

fn choose(session: &Session, view: &View<'_, '_>) -> Result<Arc<[Chosen]>, Error> {
    let steps = [session.first()].into_iter().chain(session.hops().iter().map(|hop| &hop.step));
    steps.map(|step| step.choose(view)).collect()
}

fn particulars(chosen: &[Chosen]) -> Short {
    let mut fields = Fields::new("particulars");
    for chosen in chosen {
        chosen.describe(&mut fields);
    }
    key::short(&fields.digest())
}

fn assembled(step: &Step, role: AwsRole, chosen: Option<&Chosen>) -> Result<AssumeStep, Refusal> {
    let Some(chosen) = chosen.cloned() else {
        return Err(Refusal::new(Kind::InvalidStsRequest, "a step of the session was not worked out"));
    };
    let policy = chosen.policy.unwrap_or_default();
    let account = role.arn().split(':').nth(4);
    if let Some(problem) = limits::policy_arns(&policy.arns, account).into_iter().next() {
        return Err(Refusal::new(Kind::InvalidStsRequest, problem));
    }
    Ok(AssumeStep {
        role,
        duration: step.duration,
        policy: policy.document,
        policy_arns: policy.arns,
        transitive_tag_keys: step.transitive_tag_keys(&chosen.tags),
        tags: chosen.tags,
        source_identity: chosen.source_identity,
        external_id: step.external_id.clone(),
    })
}

fn upstream_token<P: Outbound>(proof: &P, provider: &str, which: Upstream) -> Result<SecretString, Error> {
    let token = proof.upstream_tokens().and_then(|tokens| tokens.of(provider));
    let token = token.and_then(|token| match which {
        Upstream::IdToken => token.id_token(),
        Upstream::AccessToken => Some(token.access_token()),
    });
    token.cloned().ok_or_else(|| {
        let what = "the caller has no token of the provider whose token is exchanged";
        Error::new(Kind::UpstreamTokenMissing, what).with_source(format!("the provider is {provider:?}"))
    })
}

fn upstream_digest(token: &str, by_name: &Digest) -> Digest {
    let mut fields = Fields::new("upstream");
    fields.bytes(by_name);
    match web_identity::claims(token) {
        Some(claims) => fields.claims(&claims),
        // None that STS would look at, so it is refused before anything is kept.
        None => fields.text(token),
    }
    fields.digest()
}
