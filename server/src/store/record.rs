//! A record, what is asked of a write, and how long things last.

use super::{
    error::Error,
    key::{Index, Key},
};
use aws_lc_rs::rand;
use std::{fmt, time::Duration};

/// One state of one record. No two writes have the same, also not of a record that was removed in between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version([u8; 16]);

/// The order of those who held the lock of one key: a later holder has a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fence(pub(super) u64);

/// What has to be true for a write to happen. Looking and writing are one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Whatever is there.
    Anything,
    /// The record does not exist.
    Absent,
    /// The record is still what it was when it was read.
    Version(Version),
    /// Nobody got the lock of this key after the holder of this fence, and it was not released.
    Held(Fence),
    /// The same, and the record is there: nobody removed it meanwhile.
    Kept(Fence),
}

/// How long a record stays, and under what it is found.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(super) lifetime: Duration,
    pub(super) indexes: Vec<Index>,
}

/// A record as an engine has it: the value is sealed.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) key: Key,
    pub(super) version: Version,
    pub(super) value: Vec<u8>,
}

/// Some of what is found under an index, and where to go on.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<Kept>,
    pub(super) next: Option<Cursor>,
}

/// Where a listing goes on. It is worth something to the store that made it only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(pub(super) String);

/// How many index entries are looked at for one page.
pub(super) const PAGE: usize = 100;

impl Version {
    pub(super) fn new() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| Error::no_randomness())?;
        Ok(Self(bytes))
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:032x})", u128::from_be_bytes(self.0))
    }
}

impl Terms {
    /// Every record ends: nothing here lasts longer than ten years.
    const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

    pub(crate) fn lasting(lifetime: Duration) -> Self {
        Self { lifetime: lifetime.min(Self::LONGEST), indexes: Vec::new() }
    }

    /// Also finds the record under `index`. What a later write does not name, the record leaves.
    pub(crate) fn under(mut self, index: Index) -> Self {
        if !self.indexes.contains(&index) {
            self.indexes.push(index);
        }
        self
    }
}
