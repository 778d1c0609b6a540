//! Rows as bytes. Numbers are big-endian.

use super::Damaged;
use crate::store::{
    key::Key,
    record::{Fence, Kept, Version},
};

/// `version | until | how many indexes | each: length, name | value`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) version: Version,
    pub(super) until: u64,
    pub(super) indexes: Vec<String>,
    pub(super) value: Vec<u8>,
}

/// `value | until`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) value: u64,
    pub(super) until: u64,
}

/// `fence | lease | until`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) fence: u64,
    pub(super) lease: u64,
    pub(super) until: u64,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + 80 * self.indexes.len() + self.value.len());
        bytes.extend_from_slice(self.version.as_bytes());
        bytes.extend_from_slice(&self.until.to_be_bytes());
        bytes.extend_from_slice(&length(self.indexes.len()).to_be_bytes());
        for index in &self.indexes {
            bytes.extend_from_slice(&length(index.len()).to_be_bytes());
            bytes.extend_from_slice(index.as_bytes());
        }
        bytes.extend_from_slice(&self.value);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes;
        let version = Version::from_bytes(chunk(&mut rest)?);
        let until = u64::from_be_bytes(chunk(&mut rest)?);
        let count = u16::from_be_bytes(chunk(&mut rest)?);
        let mut indexes = Vec::new();
        for _ in 0..count {
            let length = u16::from_be_bytes(chunk(&mut rest)?);
            let (name, behind) = rest.split_at_checked(length.into()).ok_or(Damaged)?;
            indexes.push(std::str::from_utf8(name).map_err(|_| Damaged)?.to_owned());
            rest = behind;
        }
        Ok(Self { version, until, indexes, value: rest.to_vec() })
    }

    pub(super) fn kept(self, key: &Key) -> Kept {
        Kept { key: key.clone(), version: self.version, value: self.value }
    }
}

impl Counter {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.value, self.until].map(u64::to_be_bytes).concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes;
        let [value, until] = [chunk(&mut rest)?, chunk(&mut rest)?].map(u64::from_be_bytes);
        if rest.is_empty() { Ok(Self { value, until }) } else { Err(Damaged) }
    }
}

impl Lock {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.fence, self.lease, self.until].map(u64::to_be_bytes).concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes;
        let [fence, lease, until] =
            [chunk(&mut rest)?, chunk(&mut rest)?, chunk(&mut rest)?].map(u64::from_be_bytes);
        if rest.is_empty() { Ok(Self { fence, lease, until }) } else { Err(Damaged) }
    }

    /// Late does not matter, as long as nobody came after.
    pub(super) fn is_held_by(&self, fence: Fence) -> bool {
        self.lease != 0 && self.fence == fence.0
    }
}

fn chunk<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (chunk, behind) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = behind;
    Ok(*chunk)
}

/// Names and their number are bounded where they are made.
fn length(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let record = Record {
            version: Version::from_bytes([7; 16]),
            until: 1_800_000_000_000,
            indexes: vec!["people:x".to_owned(), "families:y".to_owned()],
            value: b"sealed".to_vec(),
        };
        assert_eq!(Record::from_bytes(&record.to_bytes()).unwrap(), record);
        let counter = Counter { value: 3, until: 4 };
        assert_eq!(Counter::from_bytes(&counter.to_bytes()).unwrap(), counter);
        let lock = Lock { fence: 1, lease: 2, until: 3 };
        assert_eq!(Lock::from_bytes(&lock.to_bytes()).unwrap(), lock);
    }

    #[test]
    fn cut_rows_are_damaged() {
        let record = Record {
            version: Version::from_bytes([7; 16]),
            until: 1,
            indexes: vec!["people:x".to_owned()],
            value: Vec::new(),
        };
        let bytes = record.to_bytes();
        for end in 0..bytes.len() {
            assert!(Record::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
        }
        assert!(Counter::from_bytes(&[0; 15]).is_err());
        assert!(Lock::from_bytes(&[0; 25]).is_err());
    }
}
