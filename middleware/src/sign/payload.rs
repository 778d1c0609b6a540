//! What a signature says of the payload.

use super::sha::{Sha256, bytes, hex};
use std::fmt;

/// How a payload goes into a signature.
///
/// ```
/// use countersign::sign::{PayloadHash, SignedPayload};
///
/// let whole = SignedPayload::Bytes(b"{}");
/// let hashed_before = SignedPayload::Hash(PayloadHash::of(b"{}"));
/// # let _ = (whole, hashed_before);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum SignedPayload<'a> {
    /// The bytes themselves.
    Bytes(&'a [u8]),
    /// Bytes that were hashed before.
    Hash(PayloadHash),
    /// Left out, which few services accept, and which over anything but https protects nothing.
    Unsigned,
}

/// The SHA-256 of a payload.
///
/// As an extension of a request it is what [`SignRequestLayer::with_precomputed_payload`] asks for.
///
/// ```
/// use countersign::sign::PayloadHash;
///
/// let hash = PayloadHash::of(b"");
/// assert!(hash.to_string().starts_with("e3b0c442"));
/// ```
///
/// [`SignRequestLayer::with_precomputed_payload`]: super::SignRequestLayer::with_precomputed_payload
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadHash([u8; 32]);

/// Hashes a payload while it arrives.
///
/// ```
/// use countersign::sign::{PayloadHash, PayloadHasher};
///
/// let mut hasher = PayloadHasher::new();
/// hasher.update(b"in two ");
/// hasher.update(b"pieces");
/// assert_eq!(hasher.finish(), PayloadHash::of(b"in two pieces"));
/// ```
#[derive(Clone)]
pub struct PayloadHasher(Sha256);

/// The last line of a canonical request.
pub(super) enum PayloadText {
    Hash([u8; 64]),
    Unsigned,
    /// Message by message, each with a signature of its own.
    #[cfg(feature = "sign-events")]
    Events,
}

impl PayloadHash {
    /// Hashes a payload that is in memory.
    pub fn of(payload: &[u8]) -> Self {
        Self(bytes(&Sha256::digest(payload)))
    }

    /// A hash that somebody else computed.
    pub fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Its thirty-two bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PayloadHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds what arrived.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash of all of it.
    #[must_use]
    pub fn finish(self) -> PayloadHash {
        PayloadHash(bytes(&self.0.finish()))
    }
}

impl PayloadText {
    #[inline]
    pub(super) fn of(payload: &SignedPayload<'_>) -> Self {
        match payload {
            SignedPayload::Bytes(payload) => Self::Hash(hex(&bytes(&Sha256::digest(payload)))),
            SignedPayload::Hash(hash) => Self::Hash(hex(hash.as_bytes())),
            SignedPayload::Unsigned => Self::Unsigned,
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Hash(hash) => hash,
            Self::Unsigned => b"UNSIGNED-PAYLOAD",
            #[cfg(feature = "sign-events")]
            Self::Events => super::events::PAYLOAD.as_bytes(),
        }
    }
}

impl Default for PayloadHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadHash({self})")
    }
}

impl fmt::Debug for PayloadHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadHasher").finish_non_exhaustive()
    }
}
