//! Keys that are named, never written down.

use super::diagnostic::Findings;
use crate::store::SealingKey;
use serde_saphyr::Spanned;
use std::{env, fs};
use zeroize::Zeroizing;

/// The key that `env:NAME` or `file:PATH` leads to; `None` where `findings` says why there is none.
pub(super) fn resolve_key(reference: &Spanned<String>, findings: &mut Findings) -> Option<SealingKey> {
    let Spanned { value: reference, referenced, .. } = reference;
    let read = match reference.split_once(':') {
        Some(("env", name)) => env::var(name).map_err(|_| format!("there is no variable `{name}`")),
        Some(("file", path)) => {
            fs::read_to_string(path).map_err(|error| format!("the key's file cannot be read: {error}"))
        }
        // Whatever stands here may be the key itself, so that nothing repeats it.
        _ => Err("a key is not written into the configuration".to_owned()),
    };
    let read = read.map(Zeroizing::new).map_err(|what| {
        findings.error(*referenced, what, "write env:NAME or file:PATH, and put the key there");
    });
    let key = SealingKey::parse(&read.ok()?);
    key.map_err(|error| {
        findings.error(*referenced, error.to_string(), "a new key ends the sessions that are open");
    })
    .ok()
}
