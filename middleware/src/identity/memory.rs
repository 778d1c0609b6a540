//! Tokens that were verified before.

use super::{claims::Span, key::Key};
use crate::{error::Error, proof::Identity};
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use std::{
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

/// A token's SHA-256: the memory holds no other form of it.
pub(super) type Fingerprint = [u8; 32];

/// Verified tokens, bounded by the bytes they take.
pub(super) struct Memory {
    tokens: Cache<Fingerprint, Arc<Remembered>>,
}

struct Remembered {
    identity: Identity,
    span: Span,
    /// What the token stands and falls with. `None` where the issuer itself was asked.
    key: Option<Weak<Key>>,
    weight: u32,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let tokens =
            Cache::builder().max_capacity(bytes).weigher(|_, token: &Arc<Remembered>| token.weight).build();
        Self { tokens }
    }

    pub(super) fn fingerprint(token: &[u8]) -> Fingerprint {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, token).as_ref());
        fingerprint
    }

    /// What was found out about a token, if it still holds. Whether the keys of a signer are worth standing on
    /// is asked before that: without it, nobody would notice that one was withdrawn while all tokens are known.
    pub(super) fn recall(
        &self,
        token: &Fingerprint,
        now: SystemTime,
        keys_are_fresh: impl FnOnce(&Identity) -> bool,
    ) -> Option<Result<Identity, Error>> {
        let remembered = self.tokens.get(token)?;
        if let Some(key) = &remembered.key {
            if !keys_are_fresh(&remembered.identity) {
                return None;
            }
            if key.strong_count() == 0 {
                self.tokens.invalidate(token);
                return None;
            }
        }
        if let Err(over) = remembered.span.check(now) {
            self.tokens.invalidate(token);
            // What an issuer was asked about is asked again; what a signature said stays said.
            return remembered.key.is_some().then_some(Err(over));
        }
        Some(Ok(remembered.identity.clone()))
    }

    pub(super) fn remember(
        &self,
        token: Fingerprint,
        length: usize,
        identity: Identity,
        span: Span,
        key: Option<&Arc<Key>>,
    ) {
        let key = key.map(Arc::downgrade);
        self.tokens.insert(token, Arc::new(Remembered { identity, span, key, weight: weight(length) }));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.tokens.entry_count()).finish_non_exhaustive()
    }
}

/// What a token of this length costs to remember: itself, its claims as a tree, and the entry around them.
/// Measured by `cargo bench --bench verify`, and rounded up.
fn weight(length: usize) -> u32 {
    u32::try_from(2048 + 3 * length).unwrap_or(u32::MAX)
}
