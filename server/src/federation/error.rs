//! Why a person did not come back as somebody.

use std::{error::Error as StdError, fmt};

/// A failure at a provider, or on the way there.
#[derive(Debug)]
pub(crate) struct Error {
    kind: Kind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The provider cannot be reached now.
    Unavailable,
    /// What came back is not to be believed, or no answer at all.
    Unbelievable,
}

impl Error {
    pub(super) fn unavailable(what: impl Into<String>) -> Self {
        Self { kind: Kind::Unavailable, what: what.into(), source: None }
    }

    pub(super) fn unbelievable(what: impl Into<String>) -> Self {
        Self { kind: Kind::Unbelievable, what: what.into(), source: None }
    }

    pub(super) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
