//! Why the store did not do what it was asked.

use std::{error::Error as StdError, fmt};

/// A failure of the store.
///
/// Its `Display` is one clause; the cause is its source. Neither holds a value, a key or a secret.
#[derive(Debug)]
pub(crate) struct Error {
    kind: Kind,
    what: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum Kind {
    /// It was not done, and may work later. Action: look at the store; callers are told to try again.
    Unavailable,
    /// It may have been done: the answer did not arrive. Action: read again, or start over with new values.
    Unknown,
    /// The store holds as much as it may. Action: raise its bound, or look who fills it.
    Full,
    /// The value is larger than any record may be. Action: whoever makes it bounds it.
    TooLarge,
    /// The value has no form that can be stored. Action: this is a defect of the server; report it.
    Defect,
    /// What is stored cannot be opened. Action: the sealing keys miss one that is still in use, or the store was
    /// tampered with.
    Unreadable,
    /// Somebody else has the store's file. Action: stop the other process, or share a Redis.
    InUse,
    /// The store's settings cannot work. Action: the message says which.
    Setting,
}

impl Error {
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn new(kind: Kind, what: &'static str) -> Self {
        Self { kind, what, source: None }
    }

    pub(super) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) const fn no_randomness() -> Self {
        Self::new(Kind::Unavailable, "the system gives no random bytes")
    }

    pub(super) const fn unreadable() -> Self {
        Self::new(
            Kind::Unreadable,
            "a stored value does not open with any sealing key; keep old keys until what they sealed has expired",
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| {
            let source: &(dyn StdError + 'static) = source;
            source
        })
    }
}
