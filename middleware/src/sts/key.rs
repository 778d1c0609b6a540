//! What tells one caller's session from another's.

use super::web_identity;
use crate::proof::{AwsRole, Identity};
use aws_lc_rs::digest::{Context, SHA256, digest};
use moka::Equivalent;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::hash::{Hash, Hasher};

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// Claims that differ from token to token without saying anything else about the caller.
const OF_ONE_TOKEN: [&str; 4] = ["exp", "iat", "jti", "nbf"];

/// Half of one, for what no caller chooses alone: nobody finds a second text with the same 128 bits either.
pub(super) type Short = [u8; 16];

/// Everything that STS is told, and who it is told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Who it is, who acts for them, and with a web identity everything that its token says of them.
    pub(super) who: Digest,
    /// What was configured.
    pub(super) session: Short,
    /// What was worked out for this very call: tags, the policy of a tool.
    pub(super) particulars: Option<Short>,
    pub(super) role: AwsRole,
}

/// A [`Key`] that is not kept, so that nothing is copied to find one.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRef<'a> {
    pub(super) who: &'a Digest,
    pub(super) session: &'a Short,
    pub(super) particulars: Option<&'a Short>,
    pub(super) role: &'a AwsRole,
}

impl KeyRef<'_> {
    pub(super) fn to_key(self) -> Key {
        Key {
            who: *self.who,
            session: *self.session,
            particulars: self.particulars.copied(),
            role: self.role.clone(),
        }
    }
}

impl Key {
    fn borrowed(&self) -> KeyRef<'_> {
        let Self { who, session, particulars, role } = self;
        KeyRef { who, session, particulars: particulars.as_ref(), role }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Digests are scattered already: a part of each finds the place, and equality compares the whole. Few people
        // have more than a few roles, so those stand in the same place.
        let parts = [
            self.who.first_chunk(),
            self.session.first_chunk(),
            self.particulars.and_then(|p| p.first_chunk()),
        ];
        let parts = parts.into_iter().flatten();
        let mixed = parts.fold(0, |mixed: u64, part| mixed.rotate_left(1) ^ u64::from_ne_bytes(*part));
        state.write_u64(mixed);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.who == &key.who
            && self.session == &key.session
            && self.particulars == key.particulars.as_ref()
            && self.role == &key.role
    }
}

/// Passes on what [`KeyRef`] has mixed from digests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, mixed: u64) {
        self.0 = mixed;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Nobody hashes anything else with it; it is right all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// What a caller is found by where STS is shown their token: everything in it that is not one token's own.
pub(super) fn by_token(identity: &Identity) -> &Digest {
    let [by_token, _] = digests(identity);
    by_token
}

/// What a caller is found by where it is not: the person, and who acts for them.
pub(super) fn by_name(identity: &Identity) -> &Digest {
    let [_, by_name] = digests(identity);
    by_name
}

fn digests(identity: &Identity) -> &[Digest; 2] {
    identity.fingerprints(|identity| {
        let mut fields = Fields::new("by name");
        fields.text(identity.issuer());
        fields.text(identity.subject());
        for actor in identity.actors() {
            fields.maybe(actor.issuer());
            fields.text(actor.subject());
        }
        let by_name = fields.digest();
        let mut fields = Fields::new("by token");
        fields.bytes(&by_name);
        // STS reads the token, which may say more than whoever vouches for the identity has passed on.
        match identity.token().and_then(|token| web_identity::claims(token.expose_secret())) {
            Some(told) => fields.claims(&told),
            None => fields.claims(identity.claims()),
        }
        [fields.digest(), by_name]
    })
}

/// What somebody is found by, whatever token they have.
pub(super) fn person(issuer: &str, subject: &str) -> Digest {
    let mut fields = Fields::new("person");
    fields.text(issuer);
    fields.text(subject);
    fields.digest()
}

/// A token's own mark.
pub(super) fn mark(token: &str) -> Digest {
    fixed(digest(&SHA256, token.as_bytes()).as_ref())
}

/// A digest over named values, each with its length, so that no two lists of values look alike.
pub(super) struct Fields(Context);

impl Fields {
    /// `what` keeps digests of different things apart.
    pub(super) fn new(what: &str) -> Self {
        let mut fields = Self(Context::new(&SHA256));
        fields.text(what);
        fields
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.0.update(&length.to_be_bytes());
        self.0.update(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn maybe(&mut self, value: Option<&str>) {
        match value {
            Some(value) => {
                self.text("+");
                self.text(value);
            }
            None => self.text("-"),
        }
    }

    pub(super) fn list<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a str>) {
        self.bytes(&u64::try_from(values.len()).unwrap_or(u64::MAX).to_be_bytes());
        for value in values {
            self.text(value);
        }
    }

    /// Every claim but those that belong to one token.
    pub(super) fn claims(&mut self, claims: &serde_json::Map<String, Value>) {
        let mut kept: Vec<_> =
            claims.iter().filter(|(name, _)| !OF_ONE_TOKEN.contains(&name.as_str())).collect();
        // A map may keep the order of its text, which says nothing.
        kept.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in kept {
            self.text(name);
            self.text(&value.to_string());
        }
    }

    pub(super) fn digest(self) -> Digest {
        fixed(self.0.finish().as_ref())
    }
}

/// The first half.
pub(super) fn short(digest: &Digest) -> Short {
    let mut short = [0; 16];
    short.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    short
}

fn fixed(bytes: &[u8]) -> Digest {
    let mut fixed = [0; 32];
    fixed.copy_from_slice(bytes);
    fixed
}
