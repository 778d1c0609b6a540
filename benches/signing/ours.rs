//! The library's signer, without tower.

use crate::{ACCESS_KEY_ID, REGION, SECRET, SERVICE, token};
use countersign::{
    clock::{Clock, SystemClock},
    sign::{Engine, Keys, SignedPayload, Signer, SigningTarget},
};
use http::Request;
use std::time::{Duration, SystemTime};

/// One credential, and the second it was made in.
pub(crate) struct Ours {
    signer: Signer,
    keys: Keys,
    now: SystemTime,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let target = SigningTarget::new(SERVICE, REGION).expect("it is a target");
        let keys = Keys::of_session(ACCESS_KEY_ID, SECRET.into(), token().into());
        Self { signer: Signer::new(target), keys, now: SystemClock.now() }
    }

    pub(crate) fn sign(&self, request: &mut Request<()>, body: &[u8]) {
        self.sign_at(request, body, Duration::ZERO);
    }

    pub(crate) fn sign_at(&self, request: &mut Request<()>, body: &[u8], later: Duration) {
        let engine = self
            .signer
            .sign(request, SignedPayload::Bytes(body), &self.keys, self.now + later)
            .expect("it can be signed");
        assert_eq!(engine, Engine::Prepared);
    }

    /// Signs the same request once more; what was signed before is taken off, as any sender would have to.
    pub(crate) fn sign_again(&self, request: &mut Request<()>, body: &[u8]) {
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            request.headers_mut().remove(name);
        }
        self.signer
            .sign(request, SignedPayload::Bytes(body), &self.keys, self.now)
            .expect("it can be signed");
    }
}
