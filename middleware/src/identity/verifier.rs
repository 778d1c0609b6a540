//! Judging a token: from memory, by signature, or by asking.

use super::{
    bearer::Presented,
    claims::unacceptable,
    issuer::{Issuer, KeySource, Trusted},
    key::{Algorithm, Key},
    key_set::Choice,
    memory::{Fingerprint, Memory},
    problem::ConfigError,
    remote_keys::{Lookup, Refresh, RemoteKeys},
    token::Jws,
};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, Kind},
    proof::{Authenticated, Identity},
};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, sync::Arc};

/// How many refreshes one token may wait for: discovery and keys come in one, a rotation may need another.
const PATIENCE: usize = 2;

/// Verifies tokens of the issuers it trusts. Clones share keys and memory.
///
/// ```no_run
/// use countersign::identity::{Issuer, Verifier};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::builder()
///     .trust(Issuer::new("https://login.example.com", "https://api.example.com"))
///     .build()?;
/// verifier.warm_up().await?; // or let the first request wait for the keys
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuers: Vec<Trusted>,
    memory: Option<Memory>,
    revocations: Option<Arc<dyn Revocations>>,
    clock: Arc<dyn Clock>,
}

/// Says who is not to be believed any more, whatever their token says. Asked for every request, so it must be
/// quick.
///
/// ```
/// use countersign::{identity::Revocations, proof::Identity};
/// use std::collections::HashSet;
///
/// #[derive(Debug)]
/// struct Banned(HashSet<String>);
///
/// impl Revocations for Banned {
///     fn is_revoked(&self, identity: &Identity) -> bool {
///         self.0.contains(identity.subject())
///     }
/// }
/// ```
pub trait Revocations: fmt::Debug + Send + Sync + 'static {
    /// Whether `identity` was revoked.
    fn is_revoked(&self, identity: &Identity) -> bool;
}

/// Puts a [`Verifier`] together.
#[derive(Debug)]
pub struct VerifierBuilder {
    issuers: Vec<Issuer>,
    memory: Option<u64>,
    revocations: Option<Arc<dyn Revocations>>,
    clock: Arc<dyn Clock>,
}

/// What can be said of a token at once.
pub(super) enum Verdict {
    Known(Result<Identity, Error>),
    /// Nothing yet: keys have to arrive, or the issuer to answer.
    Open(SecretString),
}

/// What a signature check leads to.
enum Checked {
    Done(Result<Identity, Error>),
    Wait(Refresh),
}

impl Verifier {
    /// A verifier that trusts nobody yet.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder {
            issuers: Vec::new(),
            memory: Some(32 * 1024 * 1024),
            revocations: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Fetches the keys of every issuer now, instead of at the first token.
    ///
    /// # Errors
    ///
    /// [`Kind::IssuerUnavailable`] for the first issuer whose keys could not be had. The verifier is good for the
    /// others, and tries again at the next token.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let remote = || {
            self.0.issuers.iter().filter_map(|issuer| match &issuer.keys {
                KeySource::Remote(keys) => Some(keys),
                KeySource::Local(_) => None,
            })
        };
        let refreshes: Vec<Refresh> = remote().filter_map(RemoteKeys::refresh).collect();
        for mut refresh in refreshes {
            // An error here is the end of the refresh, which is what is waited for.
            let _ = refresh.changed().await;
        }
        remote().find(|keys| !keys.is_loaded()).map_or(Ok(()), |keys| Err(keys.unavailable()))
    }

    /// Verifies one token, for callers that do not arrive by HTTP.
    ///
    /// # Errors
    ///
    /// The same as the layer's.
    pub async fn verify(&self, token: &SecretString) -> Result<Identity, Error> {
        match self.judge(Presented::as_such(token.expose_secret())?) {
            Verdict::Known(outcome) => outcome,
            Verdict::Open(token) => self.clone().investigate(token).await,
        }
    }

    /// What can be said without waiting.
    pub(super) fn judge(&self, presented: Presented<'_>) -> Verdict {
        let memory = self.0.memory.as_ref().map(|memory| (memory, Memory::fingerprint(presented.bytes())));
        if let Some((memory, fingerprint)) = &memory
            && let Some(remembered) =
                memory.recall(fingerprint, self.0.clock.now(), |signer| self.has_fresh_keys(signer))
        {
            return Verdict::Known(remembered.and_then(|identity| self.unless_revoked(identity)));
        }
        let token = match presented.token() {
            Ok(token) => token,
            Err(malformed) => return Verdict::Known(Err(malformed)),
        };
        if !Jws::looks_like_one(token) && self.introspecting().is_some() {
            return Verdict::Open(token.into());
        }
        match self.check(token, memory.map(|(_, fingerprint)| fingerprint), true) {
            Checked::Done(outcome) => Verdict::Known(outcome),
            Checked::Wait(_) => Verdict::Open(token.into()),
        }
    }

    /// Waits for whatever [`judge`](Self::judge) lacked.
    pub(super) async fn investigate(self, token: SecretString) -> Result<Identity, Error> {
        let fingerprint =
            self.0.memory.as_ref().map(|_| Memory::fingerprint(token.expose_secret().as_bytes()));
        if !Jws::looks_like_one(token.expose_secret()) && self.introspecting().is_some() {
            return self.introspect(&token, fingerprint).await;
        }
        for round in (0..=PATIENCE).rev() {
            match self.check(token.expose_secret(), fingerprint, round > 0) {
                Checked::Done(outcome) => return outcome,
                Checked::Wait(mut refresh) => {
                    // An error here is the end of the refresh, which is what is waited for.
                    let _ = refresh.changed().await;
                }
            }
        }
        Err(Error::new(Kind::IssuerUnavailable, "the issuer's keys keep changing"))
    }

    /// The proof for an identity that this verifier vouches for.
    pub(super) fn authenticated(&self, identity: Identity) -> Authenticated {
        Authenticated::new(identity, self.0.clock.clone())
    }

    fn check(&self, token: &str, fingerprint: Option<Fingerprint>, patient: bool) -> Checked {
        match self.try_check(token, fingerprint, patient) {
            Ok(checked) => checked,
            Err(error) => Checked::Done(Err(error)),
        }
    }

    fn try_check(
        &self,
        token: &str,
        fingerprint: Option<Fingerprint>,
        patient: bool,
    ) -> Result<Checked, Error> {
        let jws = Jws::parse(token).ok_or_else(|| unacceptable("the token is no signed JWT"))?;
        let issuer = jws
            .issuer()
            .and_then(|name| self.0.issuers.iter().find(|issuer| issuer.demands.issuer == name))
            .ok_or_else(|| unacceptable("the token is from an issuer that is not trusted here"))?;
        let algorithm = jws
            .algorithm
            .filter(|algorithm| issuer.algorithms.contains(algorithm))
            .ok_or_else(|| unacceptable("the token is signed with an algorithm that is not allowed"))?;
        if jws.critical {
            return Err(unacceptable("the token's header has critical extensions, and none is understood"));
        }
        issuer.demands.check_typ(jws.typ.as_deref())?;
        let key = match issuer.find(jws.kid.as_deref(), algorithm, patient)? {
            Found::Key(key) => key,
            Found::Later(refresh) => return Ok(Checked::Wait(refresh)),
        };
        if !key.verifies(jws.message, &jws.signature, algorithm) {
            return Err(unacceptable("the token's signature is not its issuer's"));
        }
        let secret = SecretString::from(token);
        let (parts, span) = issuer.demands.check(jws.claims, secret, self.0.clock.now())?;
        let identity = Identity::new(parts);
        if let (Some(memory), Some(fingerprint)) = (&self.0.memory, fingerprint) {
            memory.remember(fingerprint, identity.clone(), span, Some(&key));
        }
        self.unless_revoked(identity).map(|identity| Checked::Done(Ok(identity)))
    }

    async fn introspect(
        &self,
        token: &SecretString,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Identity, Error> {
        let Some((issuer, introspector)) = self.introspecting() else {
            return Err(unacceptable("the token is no signed JWT"));
        };
        let (identity, span) = introspector.ask(token, &issuer.demands, &*self.0.clock).await?;
        if let (Some(memory), Some(fingerprint)) = (&self.0.memory, fingerprint) {
            memory.remember(fingerprint, identity.clone(), span, None);
        }
        self.unless_revoked(identity)
    }

    /// Whether the keys of an identity's issuer can be relied on without waiting. Starts a refresh where it is time.
    fn has_fresh_keys(&self, identity: &Identity) -> bool {
        let issuer = self.0.issuers.iter().find(|issuer| issuer.demands.issuer == identity.issuer());
        match issuer.map(|issuer| &issuer.keys) {
            Some(KeySource::Remote(keys)) => keys.keep_fresh().is_none(),
            Some(KeySource::Local(_)) | None => true,
        }
    }

    fn introspecting(&self) -> Option<(&Trusted, &super::introspection::Introspector)> {
        self.0.issuers.iter().find_map(|issuer| issuer.introspector.as_ref().map(|asked| (issuer, asked)))
    }

    fn unless_revoked(&self, identity: Identity) -> Result<Identity, Error> {
        match &self.0.revocations {
            Some(revocations) if revocations.is_revoked(&identity) => {
                Err(unacceptable("the token's holder was revoked"))
            }
            _ => Ok(identity),
        }
    }
}

impl VerifierBuilder {
    /// Trusts one more issuer.
    #[must_use]
    pub fn trust(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// How many bytes verified tokens may take (32 MiB).
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Checks every token's signature every time.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.memory = None;
        self
    }

    /// Asks `revocations` about every identity, also those that are remembered.
    #[must_use]
    pub fn with_revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Some(Arc::new(revocations));
        self
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Parses everything that was configured. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the issuers, at once.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let mut problems = Vec::new();
        if self.issuers.is_empty() {
            problems.push("no issuer is trusted; name at least one".to_owned());
        }
        for (at, issuer) in self.issuers.iter().enumerate() {
            if self.issuers.iter().take(at).any(|earlier| earlier.name() == issuer.name()) {
                let name = issuer.name();
                problems
                    .push(format!("issuer {name:?}: it is named twice; give one entry all its audiences"));
            }
        }
        if self.issuers.iter().filter(|issuer| issuer.introspects()).count() > 1 {
            let hint = "an opaque token does not say whose it is; keep one";
            problems.push(format!("several issuers have an introspection endpoint; {hint}"));
        }
        let mut issuers = Vec::with_capacity(self.issuers.len());
        for issuer in self.issuers {
            match issuer.resolve(&self.clock) {
                Ok(trusted) => issuers.push(trusted),
                Err(found) => problems.extend(found),
            }
        }
        ConfigError::unless_empty(problems)?;
        let memory = self.memory.map(Memory::new);
        Ok(Verifier(Arc::new(Inner { issuers, memory, revocations: self.revocations, clock: self.clock })))
    }
}

enum Found {
    Key(Arc<Key>),
    Later(Refresh),
}

impl Trusted {
    fn find(&self, kid: Option<&str>, algorithm: Algorithm, patient: bool) -> Result<Found, Error> {
        match &self.keys {
            KeySource::Remote(keys) => match keys.find(kid, algorithm, patient) {
                Lookup::Found(key) => Ok(Found::Key(key)),
                Lookup::Wait(refresh) => Ok(Found::Later(refresh)),
                Lookup::Refused(error) => Err(error),
            },
            KeySource::Local(keys) => match keys.current().choose(kid, algorithm) {
                Choice::One(key) => Ok(Found::Key(key.clone())),
                Choice::Ambiguous => {
                    Err(unacceptable("the token names no key, and several of its issuer's fit"))
                }
                Choice::Unknown => {
                    Err(unacceptable("the token is signed with a key that its issuer does not have"))
                }
            },
        }
    }
}
