//! Values that are worth something to whoever has them: made here, and kept as hashes only.

use super::error::Fault;
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// What is left of a secret once it was handed out: enough to know it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark(String);

/// 256 bits that nobody guesses.
pub(super) fn fresh() -> Result<String, Fault> {
    random::<32>()
}

/// 128 bits, for what has to be unique and is no secret by itself.
pub(super) fn fresh_id() -> Result<String, Fault> {
    random::<16>()
}

fn random<const N: usize>() -> Result<String, Fault> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Fault::defect("the system gives no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

impl Mark {
    /// What somebody else says it is.
    pub(super) fn told(mark: &str) -> Self {
        Self(mark.to_owned())
    }

    pub(super) fn of(secret: &str) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())))
    }

    /// In a time that says nothing.
    pub(super) fn is_of(&self, secret: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), Self::of(secret).0.as_bytes()).is_ok()
    }
}
