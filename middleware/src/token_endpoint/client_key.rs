use super::problem::ConfigError;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use std::{fmt, sync::Arc};

/// A private key that proves who we are to an authorization server that has its public half.
///
/// ```
/// use countersign::token_endpoint::ClientKey;
///
/// let pem = "-----BEGIN PRIVATE KEY-----
/// MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
/// -----END PRIVATE KEY-----";
/// let key = ClientKey::from_pem(pem, "2027-01")?;
/// assert_eq!(format!("{key:?}"), r#"ClientKey { algorithm: "EdDSA", key_id: "2027-01", .. }"#);
/// # Ok::<(), countersign::token_endpoint::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ClientKey(Arc<Parts>);

struct Parts {
    key_id: String,
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl ClientKey {
    /// Reads a key in PEM: elliptic of P-256 (ES256) or P-384 (ES384), Ed25519 (EdDSA), or RSA of 2048 bits and more
    /// (RS256). `key_id` is the `kid` under which the server has the public half.
    ///
    /// # Errors
    ///
    /// Where it is none of these.
    pub fn from_pem(pem: impl AsRef<[u8]>, key_id: impl Into<String>) -> Result<Self, ConfigError> {
        // The parser's own words may show bytes of the key.
        let key = PrivateKeyDer::from_pem_slice(pem.as_ref()).map_err(|_| {
            let hint = "it is base64 between BEGIN PRIVATE KEY and END PRIVATE KEY";
            ConfigError::one(format!("the client's key is no private key in PEM; {hint}"))
        })?;
        let (algorithm, pair) = read(&key).ok_or_else(|| {
            let kinds = "an elliptic key of P-256 or P-384, Ed25519, or RSA of 2048 bits or more";
            ConfigError::one(format!(
                "the client's key is of no kind that signs here; make it {kinds}, in PKCS #8"
            ))
        })?;
        Ok(Self(Arc::new(Parts { key_id: key_id.into(), algorithm, pair })))
    }

    /// A compact JWS over `claims`, or nothing where the library cannot sign.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let Parts { key_id, algorithm, pair } = &*self.0;
        let header = json!({"alg": algorithm, "kid": key_id, "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = pair.sign(message.as_bytes())?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => {
                pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("algorithm", &self.0.algorithm)
            .field("key_id", &self.0.key_id)
            .finish_non_exhaustive()
    }
}

fn read(key: &PrivateKeyDer<'_>) -> Option<(&'static str, Pair)> {
    let der = key.secret_der();
    let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok();
    let p384 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).ok();
    let edwards = || Ed25519KeyPair::from_pkcs8(der).ok();
    let rsa = || RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok();
    p256()
        .map(|pair| ("ES256", Pair::Ecdsa(pair)))
        .or_else(|| p384().map(|pair| ("ES384", Pair::Ecdsa(pair))))
        .or_else(|| edwards().map(|pair| ("EdDSA", Pair::Ed25519(pair))))
        .or_else(|| rsa().map(|pair| ("RS256", Pair::Rsa(pair))))
}
