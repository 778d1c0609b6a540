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
    format!("{STABLE}{}", BASE64_URL_SAFE_NO_PAD.encode(shortened))
}

/// What a service is called that acts by itself. No person is called that: see [`is_ours`].
pub(super) fn of_client(id: &str) -> String {
    format!("{CLIENT}{id}")
}

/// Whether it is a name as we give them. Somebody whom a provider calls that would pass for a service, or for a person
/// of another issuer.
pub(super) fn is_ours(subject: &str) -> bool {
    subject.starts_with(CLIENT) || subject.starts_with(STABLE)
}

const STABLE: &str = "u-";
const CLIENT: &str = "client:";

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
    }

    #[test]
    fn nobody_elses_name_is_ours() {
        for ours in [stable("https://i", "alice"), of_client("service"), stable("", "client:service")] {
            assert!(is_ours(&ours), "{ours}");
        }
        for theirs in ["alice", "U-1", "00u1a2b3c4", "auth0|alice", ""] {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
