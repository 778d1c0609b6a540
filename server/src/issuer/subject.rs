//! What we call somebody whom another issuer vouches for.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// The same name for the same person, always, and another one for everybody else: two issuers may call two people alike.
pub(super) fn stable(issuer: &str, subject: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [issuer, subject] {
        // Its length keeps each part apart from the next.
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let shortened = digest.as_ref().get(..20).unwrap_or_default();
    format!("u-{}", BASE64_URL_SAFE_NO_PAD.encode(shortened))
}

/// What a service is called that acts by itself. No person is called that: see [`stable`].
pub(super) fn of_client(id: &str) -> String {
    format!("client:{id}")
}

/// Whether somebody is called like a service.
pub(super) fn is_of_client(subject: &str) -> bool {
    subject.starts_with("client:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_different_issuers_are_different_and_stay_who_they_are() {
        let alice = stable("https://login.example.com", "alice");
        assert_eq!(alice, "u-XFuU8tPz5rwH7p31fZQAulF8rNI");
        assert_ne!(alice, stable("https://other.example.com", "alice"));
        assert_ne!(alice, stable("https://login.example.com", "bob"));
        assert_ne!(stable("a", "bc"), stable("ab", "c"));
        assert!(!stable("", "client:service").starts_with("client:"));
    }
}
