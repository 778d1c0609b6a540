//! Keys that are named, never written down.

use super::{diagnostic::Findings, secret::resolve_secret};
use crate::store::SealingKey;
use secrecy::ExposeSecret;
use serde_saphyr::Spanned;

/// The key that `env:NAME` or `file:PATH` leads to; `None` where `findings` says why there is none.
pub(super) fn resolve_key(reference: &Spanned<String>, findings: &mut Findings) -> Option<SealingKey> {
    let text = resolve_secret(reference, findings)?;
    let key = SealingKey::parse(text.expose_secret());
    key.map_err(|error| {
        findings.error(reference.referenced, error.to_string(), "make one with `openssl rand -base64 32`")
    })
    .ok()
}
