//! What a secret becomes for one day, service and region.

use super::super::{
    SigningTarget,
    sha::{Gap, Hmac},
    time::Moment,
};
use crate::proof::AwsCredentials;
use http::HeaderValue;
use secrecy::ExposeSecret;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// The signing key of a day. Deriving it costs eighteen blocks, keeping it two states of eight words.
pub(super) struct DayKey {
    pub(super) day: u64,
    hmac: Hmac,
    /// `20261121/eu-west-1/execute-api/aws4_request`.
    scope: Box<[u8]>,
    /// The beginning of every `Authorization` of that day, up to the names of the signed headers.
    pub(super) authorization: Box<[u8]>,
}

/// What all signatures of one second have in common.
pub(super) struct Stamp {
    pub(super) key: Arc<DayKey>,
    pub(super) second: u64,
    pub(super) date: HeaderValue,
    /// The string to sign, hashed up to the hash of the canonical request.
    to_sign: Gap,
}

impl DayKey {
    pub(super) fn derive(credentials: &AwsCredentials, target: &SigningTarget, moment: Moment) -> Self {
        let secret = credentials.secret_access_key().expose_secret();
        let text = moment.text();
        let (date, _) = text.split_at(8);
        let mut secret_key = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        secret_key.extend_from_slice(b"AWS4");
        secret_key.extend_from_slice(secret.as_bytes());
        let mut key = Zeroizing::new(Hmac::new(&secret_key).of(date));
        for part in [target.region().as_bytes(), target.service().as_bytes(), b"aws4_request"] {
            key = Zeroizing::new(Hmac::new(&*key).of(part));
        }
        let scope =
            [date, b"/", target.region().as_bytes(), b"/", target.service().as_bytes(), b"/aws4_request"]
                .concat();
        let authorization = [
            b"AWS4-HMAC-SHA256 Credential=",
            credentials.access_key_id().as_bytes(),
            b"/",
            &scope,
            b", SignedHeaders=",
        ]
        .concat();
        Self {
            day: moment.day(),
            hmac: Hmac::new(&*key),
            scope: scope.into(),
            authorization: authorization.into(),
        }
    }
}

impl Stamp {
    /// `None` for no text that could stand in a header, which digits always could.
    pub(super) fn new(key: Arc<DayKey>, moment: Moment) -> Option<Self> {
        let text = moment.text();
        let mut to_sign = key.hmac.begin();
        for part in [&b"AWS4-HMAC-SHA256\n"[..], &text, b"\n", &key.scope, b"\n"] {
            to_sign.update(part);
        }
        let date = shared(HeaderValue::from_bytes(&text).ok()?);
        Some(Self { key, second: moment.second(), date, to_sign: to_sign.with_gap() })
    }

    /// The signature over a canonical request whose hash, in hexadecimal, is given.
    #[inline]
    pub(super) fn sign(&self, canonical: &[u8; 64]) -> [u32; 8] {
        self.key.hmac.seal(&self.to_sign.fill(canonical))
    }
}

impl Clone for Stamp {
    fn clone(&self) -> Self {
        let Self { key, second, date, to_sign } = self;
        Self { key: key.clone(), second: *second, date: date.clone(), to_sign: to_sign.clone() }
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        self.to_sign.zeroize();
    }
}

/// A value whose clones count references from the first one on, instead of moving it to where they are counted then.
pub(super) fn shared(value: HeaderValue) -> HeaderValue {
    drop(value.clone());
    value
}
