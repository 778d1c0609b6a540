//! What records are called.
//!
//! A name is a namespace and a hash. Nothing secret can show in a key, whatever it is made of, and every key is short
//! and of one alphabet, so no store has to escape anything.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{fmt, sync::Arc};

/// A kind of record, of index, or of notice.
///
/// ```text
/// const CODES: Namespace = Namespace::new("codes");
/// let key = CODES.key(&["SplxlOBeZQQYbYS6WxSbIA"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Namespace(&'static str);

/// Where a record is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<str>);

/// What several records have in common: a person, a family, a kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Index(Arc<str>);

impl Namespace {
    /// In a constant, a name that does not fit does not compile.
    pub(crate) const fn new(name: &'static str) -> Self {
        assert!(is_plain(name.as_bytes()), "a namespace has one to 32 letters a-z and hyphens");
        Self(name)
    }

    pub(crate) const fn name(self) -> &'static str {
        self.0
    }

    /// The record that `parts` identify together; none of them can be read from the key.
    pub(crate) fn key(self, parts: &[&str]) -> Key {
        Key(named(self, parts))
    }

    /// All records that say they belong to what `parts` identify together.
    pub(crate) fn index(self, parts: &[&str]) -> Index {
        Index(named(self, parts))
    }
}

impl Key {
    /// A key as a store kept it.
    pub(super) fn kept(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Index {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({})", self.0)
    }
}

fn named(namespace: Namespace, parts: &[&str]) -> Arc<str> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // Its length keeps each part apart from the next.
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    format!("{}:{}", namespace.0, BASE64_URL_SAFE_NO_PAD.encode(context.finish())).into()
}

const fn is_plain(name: &[u8]) -> bool {
    let mut rest = name;
    while let [first, behind @ ..] = rest {
        if !(first.is_ascii_lowercase() || *first == b'-') {
            return false;
        }
        rest = behind;
    }
    !name.is_empty() && name.len() <= 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: Namespace = Namespace::new("codes");

    #[test]
    fn a_key_tells_nothing_but_its_kind() {
        let key = CODES.key(&["SplxlOBeZQQYbYS6WxSbIA"]);
        assert!(key.as_str().starts_with("codes:"), "{key:?}");
        assert!(!format!("{key:?}").contains("Splxl"), "{key:?}");
        assert_eq!(key, Key::kept(key.as_str()));
    }

    #[test]
    fn different_parts_make_different_keys() {
        assert_eq!(CODES.key(&["a", "bc"]), CODES.key(&["a", "bc"]));
        assert_ne!(CODES.key(&["a", "bc"]), CODES.key(&["ab", "c"]));
        assert_ne!(CODES.key(&["a"]), CODES.key(&["a", ""]));
        assert_ne!(CODES.key(&["a"]), Namespace::new("other").key(&["a"]));
    }

    #[test]
    fn a_namespace_is_plain() {
        assert!(is_plain(b"refresh-families"));
        for name in ["", "Codes", "a:b", "a b", "a{b}", &"a".repeat(33)] {
            assert!(!is_plain(name.as_bytes()), "{name:?}");
        }
    }
}
