//! Proof Key for Code Exchange (RFC 7636), with S256 and nothing else.

use super::secret::Mark;
use serde::{Deserialize, Serialize};

/// What a client said at the beginning, for which it has the secret at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge(Mark);

impl Challenge {
    /// `None` for what no SHA-256 of anything is.
    pub(super) fn parse(challenge: &str) -> Option<Self> {
        let fits = challenge.len() == 43
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        fits.then(|| Self(Mark::told(challenge)))
    }

    /// Whether it was made from this verifier.
    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&verifier.len()) && verifier.bytes().all(fits) && self.0.is_of(verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_the_standard_has_it() {
        // Appendix B of RFC 7636.
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by(""));
    }

    #[test]
    fn what_is_too_short_or_of_other_letters_is_none() {
        for challenge in ["", "short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", &"a".repeat(44)] {
            assert_eq!(Challenge::parse(challenge), None, "{challenge}");
        }
        // A verifier that is too short to be one is refused also where it would fit.
        let short = Challenge(Mark::of("short"));
        assert!(!short.is_met_by("short"));
    }
}
