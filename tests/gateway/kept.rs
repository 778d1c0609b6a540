//! Tokens that clients were given, and that no backend may ever see.

use countersign_fixtures::oracle::{Oracle, Seen};
use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// The tokens of one gateway's clients so far, and the backends that are looked at when it ends.
pub(crate) struct Kept {
    tokens: Mutex<Vec<String>>,
    backends: Vec<Oracle>,
}

impl Kept {
    pub(crate) fn from(backends: impl IntoIterator<Item = Oracle>) -> Self {
        Self { tokens: Mutex::default(), backends: backends.into_iter().collect() }
    }

    /// A client has it from now on.
    pub(crate) fn keep(&self, token: String) -> String {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).push(token.clone());
        token
    }
}

/// Looks at everything that reached backends, at the end of every test that has a gateway.
impl Drop for Kept {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in self.backends.iter().flat_map(Oracle::seen) {
            for token in tokens.iter() {
                let signature = token.rsplit('.').next().unwrap_or(token);
                assert!(!holds(&seen, signature), "a client's own token reached a backend: {seen:?}");
            }
        }
    }
}

fn holds(seen: &Seen, text: &str) -> bool {
    let within = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let headers =
        || seen.headers.iter().any(|(name, value)| within(name.as_ref()) || within(value.as_bytes()));
    within(seen.uri.to_string().as_bytes()) || headers() || within(&seen.body)
}
