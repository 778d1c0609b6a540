//! An issuer, a clock that a test can move for everybody, and verifiers that live by it.

use countersign::{
    clock::Clock as OurClock,
    identity::{Issuer, Verifier, VerifierBuilder},
};
use countersign_fixtures::{
    clock::Clock,
    fault::Fault,
    idp::{Idp, Mint},
    keys::Algorithm,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Who we are to issuers.
pub(crate) const AUDIENCE: &str = "https://api.example";

/// How long keys are kept where the issuer does not say.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// How long an unknown key id waits after a fetch before it may cause another.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(30);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const JWKS: &str = "/jwks";
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";
pub(crate) const OAUTH: &str = "/.well-known/oauth-authorization-server";

pub(crate) struct World {
    pub(crate) idp: Idp,
    pub(crate) clock: Clock,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::default();
        Self { idp: Idp::start(clock.clone()).await, clock }
    }

    /// The issuer on the terms that are the default.
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::new(self.idp.issuer(), AUDIENCE)
    }

    /// A verifier in the making that tells the time as this world does.
    pub(crate) fn builder(&self) -> VerifierBuilder {
        Verifier::builder().with_clock(self.our_clock())
    }

    pub(crate) fn verifier(&self, issuer: Issuer) -> Verifier {
        self.builder().trust(issuer).build().unwrap()
    }

    pub(crate) fn our_clock(&self) -> Arc<dyn OurClock> {
        Arc::new(Shared(self.clock.clone()))
    }

    /// A token for Alice with an elliptic key, which is quicker to make than an RSA one.
    pub(crate) fn alice(&self) -> Mint {
        self.idp.mint("alice").algorithm(Algorithm::EdDSA)
    }

    /// `fault` for whoever asks for one of `paths`, until the faults are cleared.
    pub(crate) fn break_down(&self, fault: &Fault, paths: &[&str]) {
        for path in paths {
            self.idp.faults().add(path, fault.clone(), None);
        }
    }

    /// How many documents were asked for in search of keys.
    pub(crate) fn fetches(&self) -> u64 {
        [JWKS, OPENID, OAUTH].iter().map(|path| self.idp.hits(path)).sum()
    }
}

/// The doubles' clock, as the library asks for one.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Clock);

impl OurClock for Shared {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
