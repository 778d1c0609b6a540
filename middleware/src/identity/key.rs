//! One public key, bound to what it may verify.

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// A signature algorithm that an issuer may use.
///
/// There is no HMAC among them and no `none`: neither proves who issued a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// A verification key from a key set.
pub(super) struct Key {
    kid: Option<String>,
    algorithms: &'static [Algorithm],
    decoding: DecodingKey,
    /// Of the JWK it came from: the same one again is the same key.
    digest: [u8; 32],
}

/// Why a member of a key set is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is for encryption, or for signing only.
    OtherUse,
    /// Its type, curve or algorithm is none of ours.
    Unsupported,
    /// Its parts are missing or broken.
    Malformed,
    /// It holds the private half.
    Private,
}

#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    kid: Option<String>,
    alg: Option<&'a str>,
    crv: Option<&'a str>,
    #[serde(rename = "use")]
    purpose: Option<&'a str>,
    key_ops: Option<Vec<&'a str>>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
}

impl Algorithm {
    pub(super) const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// As it stands in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name; `None` for `none`, HMAC and whatever else is not ours.
    pub(super) fn named(name: &str) -> Option<Self> {
        // RFC 9864 gives the same algorithm a second name, which says more.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn for_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl Key {
    pub(super) fn parse(jwk: &Value) -> Result<Self, Unusable> {
        if !jwk.is_object() {
            return Err(Unusable::Malformed);
        }
        let fields = Jwk::deserialize(jwk).map_err(|_| Unusable::Malformed)?;
        if PRIVATE_MEMBERS.iter().any(|member| jwk.get(member).is_some()) {
            return Err(Unusable::Private);
        }
        if fields.purpose.is_some_and(|purpose| purpose != "sig")
            || fields.key_ops.as_ref().is_some_and(|operations| !operations.contains(&"verify"))
        {
            return Err(Unusable::OtherUse);
        }
        let fitting: &'static [Algorithm] = match (fields.kty, fields.crv) {
            ("RSA", _) => &Algorithm::ALL[..6],
            ("EC", Some("P-256")) => &[Algorithm::Es256],
            ("EC", Some("P-384")) => &[Algorithm::Es384],
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDsa],
            _ => return Err(Unusable::Unsupported),
        };
        let algorithms = match fields.alg {
            None => fitting,
            Some(name) => fitting
                .iter()
                .position(|algorithm| Algorithm::named(name) == Some(*algorithm))
                .and_then(|at| fitting.get(at..=at))
                .ok_or(Unusable::Unsupported)?,
        };
        let decoding = match fields {
            Jwk { kty: "RSA", n: Some(n), e: Some(e), .. } => DecodingKey::from_rsa_components(n, e),
            Jwk { kty: "EC", x: Some(x), y: Some(y), .. } => DecodingKey::from_ec_components(x, y),
            Jwk { kty: "OKP", x: Some(x), .. } => DecodingKey::from_ed_components(x),
            _ => return Err(Unusable::Malformed),
        }
        .map_err(|_| Unusable::Malformed)?;
        Ok(Self { kid: fields.kid, algorithms, decoding, digest: digest_of(jwk) })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub(super) fn is_same(&self, jwk: &Value) -> bool {
        self.digest == digest_of(jwk)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8], algorithm: Algorithm) -> bool {
        // The provider is named: whichever one another crate's features make the default, this is the one.
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm.for_jsonwebtoken(), &self.decoding)
            .is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

/// What only the owner of a key has (RFC 7518, section 6), and the secret of a symmetric one.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// The members of a JSON object have one order here, so the same key has the same digest.
fn digest_of(jwk: &Value) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, jwk.to_string().as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk.as_object_mut().unwrap().insert(name.into(), value);
        jwk
    }

    #[test]
    fn a_key_is_bound_to_its_algorithm() {
        let key = Key::parse(&with(ed25519(), "kid", json!("k"))).unwrap();
        assert_eq!(key.kid(), Some("k"));
        assert!(key.is_for(Algorithm::EdDsa));
        assert!(!key.is_for(Algorithm::Es256));
        let key = Key::parse(&with(ed25519(), "alg", json!("Ed25519"))).unwrap();
        assert!(key.is_for(Algorithm::named("Ed25519").unwrap()));
        let rsa = json!({"kty": "RSA", "alg": "RS384", "n": "AQAB", "e": "AQAB"});
        let key = Key::parse(&rsa).unwrap();
        assert!(
            key.is_for(Algorithm::Rs384) && !key.is_for(Algorithm::Rs256) && !key.is_for(Algorithm::Ps384)
        );
    }

    #[test]
    fn keys_for_anything_else_are_left_out() {
        let cases = [
            (with(ed25519(), "use", json!("enc")), Unusable::OtherUse),
            (with(ed25519(), "key_ops", json!(["sign"])), Unusable::OtherUse),
            (with(ed25519(), "alg", json!("RS256")), Unusable::Unsupported),
            (with(ed25519(), "crv", json!("X25519")), Unusable::Unsupported),
            (json!({"kty": "oct"}), Unusable::Unsupported),
            (json!({"kty": "oct", "k": "c2VjcmV0"}), Unusable::Private),
            (with(ed25519(), "d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")), Unusable::Private),
            (json!({"kty": "RSA", "n": "AQAB"}), Unusable::Malformed),
            (json!({"kty": "EC", "crv": "P-256", "x": "!", "y": "AA"}), Unusable::Malformed),
            (json!({"kty": 7}), Unusable::Malformed),
            (json!("RSA"), Unusable::Malformed),
            (
                json!(["OKP", null, null, "Ed25519", null, null, null, null, ed25519()["x"], null]),
                Unusable::Malformed,
            ),
        ];
        for (jwk, reason) in cases {
            assert_eq!(Key::parse(&jwk).unwrap_err(), reason, "{jwk}");
        }
    }
}
