//! What nobody may find in anything that is kept.

use super::{CHALLENGE, VERIFIER};
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Every secret that somebody had or was told so far.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<BTreeSet<String>>);

/// What each that is looked for is found by.
const HEAD: usize = 8;
/// What is shorter may be there by chance, and is no secret.
const SHORTEST: usize = 16;

/// What would tell that something is kept as it is: how every token begins that is signed, and the names of what is
/// sealed.
const TELLING: [&str; 9] = [
    "eyJhbGciOi",
    "eyJ0eXAiOi",
    "eyJraWQiOi",
    "access_token\"",
    "refresh_token\"",
    "\"grant\":",
    "PRIVATE KEY",
    "\"pkcs8\":",
    "@example.com",
];

impl Secrets {
    pub(crate) fn keep<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(secrets.into_iter().map(|secret| secret.as_ref().to_owned()));
    }

    /// None of them is in `bytes`, nor any part of a token; how many were looked for.
    pub(crate) fn assert_not_in(&self, bytes: &[u8], when: &str) -> usize {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = kept.iter().flat_map(|secret| secret.split('.').chain([secret.as_str()]));
        let wanted: BTreeSet<&str> = parts.chain([VERIFIER, CHALLENGE]).collect();
        let wanted = wanted.into_iter().filter(|part| part.len() >= SHORTEST).chain(TELLING);
        let mut by_head: HashMap<&[u8], Vec<&str>> = HashMap::new();
        let mut count = 0;
        for part in wanted {
            by_head.entry(&part.as_bytes()[..HEAD]).or_default().push(part);
            count += 1;
        }
        for (at, head) in bytes.windows(HEAD).enumerate() {
            for part in by_head.get(head).into_iter().flatten() {
                assert!(!bytes[at..].starts_with(part.as_bytes()), "{when}: {part} can be read");
            }
        }
        count
    }
}

/// Everything that lies in a folder, but what `left_out` names.
pub(crate) fn bytes_in(folder: &Path, left_out: &[&str]) -> Vec<u8> {
    let (mut bytes, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !left_out.iter().any(|name| path.ends_with(name)) {
                bytes.extend(fs::read(path).unwrap());
            }
        }
    }
    bytes
}
