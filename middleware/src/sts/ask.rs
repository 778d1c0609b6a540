use super::{
    entry::TokenMark,
    key::{self, Key},
    provider::{AssumeStep, CallerProof, CredentialRequest},
    refusal::Refusal,
    session::{Session, Source},
    web_identity,
};
use crate::{
    error::Error,
    proof::{AwsRole, Identity, Outbound, Proves},
};
use secrecy::{ExposeSecret, SecretString};
use std::time::SystemTime;

/// One request's wish for credentials: what finds them, and what has them made.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) key: Key,
    caller: Identity,
    session: Session,
}

impl Ask {
    pub(super) fn of<P>(session: &Session, proof: &P) -> Result<Self, Error>
    where
        P: Proves<AwsRole> + Proves<Identity> + Outbound,
    {
        let (caller, role): (&Identity, &AwsRole) = (proof.fact(), proof.fact());
        let key = Key {
            caller: *key::caller(caller),
            session: *session.digest(),
            particulars: None,
            role: role.clone(),
        };
        Ok(Self { key, caller: caller.clone(), session: session.clone() })
    }

    /// Whose own fault a refusal may be. `None` where no token of the caller's is shown to STS.
    pub(super) fn mark(&self) -> Option<TokenMark> {
        self.token().map(|token| key::mark(token.expose_secret()))
    }

    /// When credentials are to end with their caller.
    pub(super) fn caller_ends(&self) -> Option<SystemTime> {
        self.session.ends_with_caller().then(|| self.caller.honoured_until()).flatten()
    }

    pub(super) async fn request(&self) -> Result<CredentialRequest, Refusal> {
        let proof = match self.session.source() {
            Source::Caller => CallerProof::WebIdentity(web_identity::exchangeable(self.token())?.clone()),
        };
        let first = AssumeStep {
            role: self.key.role.clone(),
            duration: self.session.duration(),
            policy: None,
            policy_arns: [].into(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            external_id: None,
        };
        Ok(CredentialRequest { caller: self.caller.clone(), proof, first, hops: Vec::new() })
    }

    fn token(&self) -> Option<&SecretString> {
        match self.session.source() {
            Source::Caller => self.caller.token(),
        }
    }
}
