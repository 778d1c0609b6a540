//! Keys that are named, never written down.

use super::{diagnostic::Findings, secret::resolve_secret};
use crate::store::{Seal, SealingKey};
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

/// What seals with a key and opens with former ones, too. The outer `None` is a mistake, the inner one means that there is no key.
pub(super) fn resolve_seal(
    key: Option<&Spanned<String>>,
    former: &[Spanned<String>],
    findings: &mut Findings,
) -> Option<Option<Seal>> {
    let keys: Vec<_> = key.into_iter().chain(former).map(|key| resolve_key(key, findings)).collect();
    let mut keys = keys.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
    let Some(current) = key.and_then(|_| keys.next()) else {
        if let Some(former) = former.first() {
            findings.error(former.referenced, "there are former keys and no key", "add `key: env:NAME`");
            return None;
        }
        return Some(None);
    };
    Some(Some(Seal::new(current, keys.collect())))
}
