//! Values at rest: AES-256-GCM, opened only where they were sealed for.
//!
//! ```text
//! 1 | key id, 8 bytes | nonce, 12 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! Each place (the key of a record, the name of a channel) has a key of its own, derived with HKDF-SHA256. So random
//! nonces never come near the number where they would repeat under one key, however long a sealing key is used. The
//! place is the associated data, too: a value that is moved to another record does not open.

use super::error::{Error, Kind};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    error::Unspecified,
    hkdf::{HKDF_SHA256, Prk, Salt},
    hmac::{self, HMAC_SHA256},
    rand,
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const FORMAT: u8 = 1;
const NONCE: usize = 12;
const KEY: usize = 32;
/// What is left of a tag: nobody tries out as many.
const TAG: usize = 16;

/// One key, which many values may be sealed with.
///
/// An operator makes one with `openssl rand -base64 32`.
pub(crate) struct SealingKey {
    id: KeyId,
    root: Prk,
}

/// Tells keys apart without telling anything about them. It follows from the key, so nobody has to invent it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId([u8; 8]);

/// Seals with the newest key, opens with any.
///
/// To rotate, a new key goes first. The old one stays until everything that it sealed has expired or was written anew.
#[derive(Debug)]
pub(crate) struct Seal {
    current: SealingKey,
    former: Vec<SealingKey>,
}

impl SealingKey {
    /// 32 bytes, as 64 hexadecimal digits or in Base64 of either alphabet. White space around them is ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bytes = decoded(text.trim()).ok_or(Error::new(
            Kind::Setting,
            "a sealing key is not 32 bytes in base64 or hexadecimal; make one with `openssl rand -base64 32`",
        ))?;
        Self::new(&bytes)
    }

    /// One that nobody else will ever have.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY]);
        rand::fill(&mut *bytes).map_err(|_| Error::no_randomness())?;
        Self::new(&bytes)
    }

    pub(crate) fn new(bytes: &[u8; KEY]) -> Result<Self, Error> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(Error::new(
                Kind::Setting,
                "a sealing key is all zeros; make one with `openssl rand -base64 32`",
            ));
        }
        let root = Salt::new(HKDF_SHA256, b"countersign store").extract(bytes);
        let told = derived(&root, &[b"key id"]).map_err(cannot_seal)?;
        let (id, _) = told.split_first_chunk().ok_or_else(|| cannot_seal(Unspecified))?;
        Ok(Self { id: KeyId(*id), root })
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    fn key_for(&self, place: &str) -> Result<RandomizedNonceKey, Unspecified> {
        let key = derived(&self.root, &[b"seal ", place.as_bytes()])?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice())
    }

    fn tag(&self, place: &str, text: &str) -> Result<[u8; TAG], Unspecified> {
        let key = derived(&self.root, &[b"tag ", place.as_bytes()])?;
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key.as_slice()), text.as_bytes());
        tag.as_ref().first_chunk().copied().ok_or(Unspecified)
    }
}

impl Seal {
    pub(crate) const fn new(current: SealingKey, former: Vec<SealingKey>) -> Self {
        Self { current, former }
    }

    /// `value`, for `place` only.
    pub(crate) fn seal(&self, place: &str, mut value: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let key = self.current.key_for(place).map_err(cannot_seal)?;
        // Over the plain text in its place: no copy of it stays behind.
        let nonce = key.seal_in_place_append_tag(Aad::from(place), &mut *value).map_err(cannot_seal)?;
        let head = [&[FORMAT][..], &self.current.id.0, nonce.as_ref()].concat();
        Ok([&head[..], &value].concat())
    }

    /// The value that was sealed for `place`.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.opened(place, sealed).ok_or_else(Error::unreadable)
    }

    /// What nobody else can say of `text` at `place`, and what is the same each time. It hides nothing.
    pub(crate) fn tag(&self, place: &str, text: &str) -> Result<[u8; TAG], Error> {
        self.current.tag(place, text).map_err(cannot_seal)
    }

    /// Whether this is the tag of `text` at `place`.
    pub(crate) fn is_tag(&self, place: &str, text: &str, tag: &[u8]) -> bool {
        let keys = std::iter::once(&self.current).chain(&self.former);
        let mut tags = keys.filter_map(|key| key.tag(place, text).ok());
        tags.any(|known| verify_slices_are_equal(&known, tag).is_ok())
    }

    fn opened(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (format, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        if *format != FORMAT {
            return None;
        }
        let mut keys = std::iter::once(&self.current).chain(&self.former);
        let key = keys.find(|key| key.id.0 == *id)?.key_for(place).ok()?;
        let mut value = Zeroizing::new(rest.to_vec());
        let length = key.open_in_place(Nonce::from(nonce), Aad::from(place), &mut value).ok()?.len();
        value.truncate(length);
        Some(value)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

fn derived(root: &Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; KEY]>, Unspecified> {
    let mut key = Zeroizing::new([0; KEY]);
    root.expand(info, HKDF_SHA256)?.fill(key.as_mut_slice())?;
    Ok(key)
}

fn decoded(text: &str) -> Option<Zeroizing<[u8; KEY]>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut bytes = if text.len() == 2 * KEY {
        from_hexadecimal(text)?
    } else {
        let alphabets = [&STANDARD, &URL_SAFE].map(|alphabet| GeneralPurpose::new(alphabet, lenient));
        alphabets.iter().find_map(|alphabet| alphabet.decode(text).ok())?
    };
    let key = <[u8; KEY]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new);
    bytes.zeroize();
    key
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    pairs
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| 16 * byte + digit).try_into().ok())
        .collect()
}

fn cannot_seal(_: Unspecified) -> Error {
    Error::new(Kind::Unavailable, "the cryptographic library refused to seal a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(&[byte; KEY]).unwrap()
    }

    fn plain(value: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(value.into())
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_for() {
        let seal = Seal::new(key(1), Vec::new());
        let sealed = seal.seal("tokens:a", plain("refresh-token")).unwrap();
        assert_eq!(*seal.open("tokens:a", &sealed).unwrap(), b"refresh-token");
        assert_eq!(sealed.len(), 1 + 8 + 12 + 13 + 16);
        assert!(!sealed.windows(7).any(|seen| seen == b"refresh"));
        assert_eq!(seal.open("tokens:b", &sealed).unwrap_err().kind(), Kind::Unreadable);
        assert_ne!(seal.seal("tokens:a", plain("refresh-token")).unwrap(), sealed);
    }

    #[test]
    fn a_tag_is_of_one_text_at_one_place_and_outlives_the_rotation_of_keys() {
        let seal = Seal::new(key(1), Vec::new());
        let tag = seal.tag("tasks:a", "it").unwrap();
        assert_eq!(seal.tag("tasks:a", "it").unwrap(), tag);
        for (place, text) in [("tasks:b", "it"), ("tasks:a", "other")] {
            assert!(!seal.is_tag(place, text, &tag));
        }
        assert!(!seal.is_tag("tasks:a", "it", &tag[1..]));
        assert!(Seal::new(key(2), vec![key(1)]).is_tag("tasks:a", "it", &tag));
        assert!(!Seal::new(key(2), Vec::new()).is_tag("tasks:a", "it", &tag));
    }

    #[test]
    fn no_changed_byte_opens() {
        let seal = Seal::new(key(1), vec![key(2)]);
        let sealed = seal.seal("tokens:a", plain("x")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open("tokens:a", &changed).unwrap_err().kind(), Kind::Unreadable, "byte {at}");
            assert!(seal.open("tokens:a", &sealed[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_former_key_still_opens() {
        let old = Seal::new(key(1), Vec::new()).seal("a", plain("x")).unwrap();
        let rotated = Seal::new(key(2), vec![key(1)]);
        assert_eq!(*rotated.open("a", &old).unwrap(), b"x");
        let new = rotated.seal("a", plain("y")).unwrap();
        assert!(Seal::new(key(1), Vec::new()).open("a", &new).is_err());
        assert!(Seal::new(key(2), Vec::new()).open("a", &old).is_err());
    }

    #[test]
    fn a_key_is_written_in_several_ways() {
        let ids: Vec<_> = [
            "+/79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=",
            " -_79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA\n",
            "fbfefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0",
            "FBFEFDFCFBFAF9F8F7F6F5F4F3F2F1F0EFEEEDECEBEAE9E8E7E6E5E4E3E2E1E0",
        ]
        .map(|text| SealingKey::parse(text).unwrap().id())
        .into();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for text in ["", "hunter2", "AAAA", &"0".repeat(64), &"g".repeat(64), &"A".repeat(86)] {
            let error = SealingKey::parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Setting, "{text}");
            assert!(error.to_string().contains("openssl rand -base64 32"), "{error}");
        }
    }

    #[test]
    fn a_key_shows_only_its_id() {
        let shown = format!("{:?}", Seal::new(key(0xAB), vec![key(0xCD)]));
        assert!(shown.contains("id: "), "{shown}");
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}
