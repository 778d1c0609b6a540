//! Session ids that only their owner can use.
//!
//! What a client gets is the backend's session id, sealed together with who opened it. Nothing is kept here: whoever
//! holds the key resumes any session.

use super::error::Refusal;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest::{Context, SHA256},
    error::Unspecified,
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::proof::Identity;

const NONCE: usize = 12;

/// Seals and opens session ids.
#[derive(Debug)]
pub(super) struct Sessions {
    key: RandomizedNonceKey,
}

impl Sessions {
    /// With a key that lives as long as this process.
    pub(super) fn new() -> Result<Self, Unspecified> {
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &key)? })
    }

    /// What the client is told instead of the backend's `id`.
    pub(super) fn seal(&self, id: &str, owner: &Identity) -> Result<String, Unspecified> {
        let mut sealed = id.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(of(owner)), &mut sealed)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_ref(), &sealed[..]].concat()))
    }

    /// The backend's id, if `told` is a session that `owner` opened.
    pub(super) fn open(&self, told: &str, owner: &Identity) -> Result<String, Refusal> {
        self.unsealed(told, owner).ok_or_else(Refusal::no_session)
    }

    fn unsealed(&self, told: &str, owner: &Identity) -> Option<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(told).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let id = self.key.open_in_place(nonce, Aad::from(of(owner)), &mut sealed).ok()?;
        String::from_utf8(id.to_vec()).ok()
    }
}

/// Who somebody is, in a few bytes; the length keeps issuer and subject apart.
fn of(owner: &Identity) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&owner.issuer().len().to_be_bytes());
    context.update(owner.issuer().as_bytes());
    context.update(owner.subject().as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
