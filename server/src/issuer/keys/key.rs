//! One key, and what it signs.

use super::super::error::Fault;
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}

/// A key pair, and the name that it has in the key set: the thumbprint of its public half (RFC 7638).
pub(crate) struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Algorithm {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl SigningKey {
    /// A new one, as PKCS #8.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let made = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| document.as_ref().to_vec()),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair))
                .map(|document| document.as_ref().to_vec()),
        };
        made.map(Zeroizing::new).map_err(|_| Fault::defect("a signing key cannot be made"))
    }

    /// A key that was made before.
    pub(super) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Fault> {
        let unreadable = |_| Fault::defect("a signing key that was kept cannot be read");
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(unreadable)?,
            ),
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(unreadable)?),
        };
        let kid = thumbprint(&pair.public());
        Ok(Self { kid, algorithm, pair })
    }

    #[cfg(test)]
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, as it stands in the key set.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = self.pair.public();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), self.kid.as_str().into());
            members.insert("alg".to_owned(), self.algorithm.name().into());
            members.insert("use".to_owned(), "sig".into());
        }
        jwk
    }

    /// A compact JWS over `claims`.
    pub(super) fn sign(&self, typ: &str, claims: &Value) -> Result<String, Fault> {
        let header = json!({"alg": self.algorithm.name(), "kid": self.kid, "typ": typ});
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(claims));
        let signature =
            self.pair.sign(message.as_bytes()).ok_or(Fault::defect("a token cannot be signed"))?;
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Pair {
    /// The members that a thumbprint is made of.
    fn public(&self) -> Value {
        let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ecdsa(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"crv": "P-256", "kty": "EC", "x": encoded(x), "y": encoded(y)})
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "e": encoded(e.big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encoded(n.big_endian_without_leading_zero()),
                })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => {
                pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Of members that are in the order of their names, as those above are.
fn thumbprint(public: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, public.to_string().as_bytes()))
}
