//! The rules of a store that keeps its own rows: what a write expects, what expires when, what an index finds.
//!
//! Where the rows are is not known here. Each function is one step only if nobody else writes meanwhile, which the
//! [`Writing`] stands for.

mod row;

use self::row::{Counter, Lock, Record};
use super::{
    key::{Index, Key},
    record::{Cursor, Expect, Fence, Found, Kept, PAGE, Terms, Version},
};
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Records,
    Counters,
    Locks,
}

/// Rows that can be read.
pub(super) trait Reading {
    type Fault: From<Damaged>;

    fn row(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, Self::Fault>;

    /// Up to `limit` keys under `index`, in their order, from behind `after`.
    fn members(&self, index: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Self::Fault>;

    /// Up to `limit` rows that end at `now` or before, with the time each was said to end.
    fn ended(&self, now: u64, limit: usize) -> Result<Vec<(u64, Table, String)>, Self::Fault>;
}

/// Rows that only one at a time writes.
pub(super) trait Writing: Reading {
    fn set_row(&mut self, table: Table, key: &str, row: &[u8]) -> Result<(), Self::Fault>;
    fn drop_row(&mut self, table: Table, key: &str) -> Result<(), Self::Fault>;
    fn set_end(&mut self, at: u64, table: Table, key: &str) -> Result<(), Self::Fault>;
    fn drop_end(&mut self, at: u64, table: Table, key: &str) -> Result<(), Self::Fault>;
    fn set_member(&mut self, index: &str, key: &str) -> Result<(), Self::Fault>;
    fn drop_member(&mut self, index: &str, key: &str) -> Result<(), Self::Fault>;
}

/// A row that nobody here wrote.
#[derive(Debug)]
pub(super) struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored row is damaged")
    }
}

impl std::error::Error for Damaged {}

/// A moment, in the milliseconds that rows are kept in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now(u64);

/// How long a lock remembers its newest fence after its lease. Whoever slept longer than that holds nothing.
pub(super) const FENCE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

impl Now {
    pub(super) fn at(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    pub(super) const fn millis(self) -> u64 {
        self.0
    }

    fn after(self, duration: Duration) -> u64 {
        self.0.saturating_add(millis(duration))
    }

    const fn is_before(self, end: u64) -> bool {
        self.0 < end
    }
}

pub(super) fn get<R: Reading>(rows: &R, now: Now, key: &Key) -> Result<Option<Kept>, R::Fault> {
    Ok(record(rows, now, key)?.map(|record| record.kept(key)))
}

pub(super) fn list<R: Reading>(
    rows: &R,
    now: Now,
    index: &Index,
    from: Option<&Cursor>,
) -> Result<Found, R::Fault> {
    let keys = rows.members(index.as_str(), from.map(|cursor| cursor.0.as_str()), PAGE)?;
    let next = keys.last().filter(|_| keys.len() == PAGE).cloned().map(Cursor);
    let mut records = Vec::new();
    for key in keys.iter().map(|key| Key::kept(key)) {
        records.extend(get(rows, now, &key)?);
    }
    Ok(Found { records, next })
}

pub(super) fn put<W: Writing>(
    rows: &mut W,
    now: Now,
    key: &Key,
    (version, value): (Version, &[u8]),
    terms: &Terms,
    expect: Expect,
) -> Result<bool, W::Fault> {
    // Also what has expired, so that nothing is left of it.
    let before = any_record(rows, key)?;
    let valid = before.as_ref().filter(|record| now.is_before(record.until));
    if valid.is_some_and(|record| record.version == version) {
        return Ok(true);
    }
    if !is_met(rows, key, valid, expect)? {
        return Ok(false);
    }
    if let Some(before) = before {
        forget(rows, key, &before)?;
    }
    let until = now.after(terms.lifetime);
    let indexes: Vec<_> = terms.indexes.iter().map(|index| index.as_str().to_owned()).collect();
    for index in &indexes {
        rows.set_member(index, key.as_str())?;
    }
    rows.set_end(until, Table::Records, key.as_str())?;
    let record = Record { version, until, indexes, value: value.to_vec() };
    rows.set_row(Table::Records, key.as_str(), &record.to_bytes())?;
    Ok(true)
}

pub(super) fn remove<W: Writing>(
    rows: &mut W,
    now: Now,
    key: &Key,
    expect: Expect,
) -> Result<Option<Kept>, W::Fault> {
    let Some(record) = record(rows, now, key)? else { return Ok(None) };
    if !is_met(rows, key, Some(&record), expect)? {
        return Ok(None);
    }
    forget(rows, key, &record)?;
    Ok(Some(record.kept(key)))
}

pub(super) fn add<W: Writing>(
    rows: &mut W,
    now: Now,
    key: &Key,
    by: u32,
    lifetime: Duration,
) -> Result<u64, W::Fault> {
    let before = rows.row(Table::Counters, key.as_str())?;
    let before = before.map(|row| Counter::from_bytes(&row)).transpose()?;
    let counter = match before {
        Some(counter) if now.is_before(counter.until) => {
            Counter { value: counter.value.saturating_add(by.into()), ..counter }
        }
        ended => {
            if let Some(ended) = ended {
                rows.drop_end(ended.until, Table::Counters, key.as_str())?;
            }
            let until = now.after(lifetime);
            rows.set_end(until, Table::Counters, key.as_str())?;
            Counter { value: by.into(), until }
        }
    };
    rows.set_row(Table::Counters, key.as_str(), &counter.to_bytes())?;
    Ok(counter.value)
}

pub(super) fn lock<W: Writing>(
    rows: &mut W,
    now: Now,
    key: &Key,
    lease: Duration,
) -> Result<Option<Fence>, W::Fault> {
    let before = newest(rows, key)?;
    if before.as_ref().is_some_and(|lock| now.is_before(lock.lease)) {
        return Ok(None);
    }
    // By the time, so that a fence grows also where the one before it is forgotten.
    let by_time = now.millis().saturating_mul(1_000);
    let fence = before.as_ref().map_or(by_time, |lock| by_time.max(lock.fence.saturating_add(1)));
    if let Some(before) = before {
        rows.drop_end(before.until, Table::Locks, key.as_str())?;
    }
    let lock = Lock { fence, lease: now.after(lease), until: now.after(lease.saturating_add(FENCE_KEPT)) };
    rows.set_end(lock.until, Table::Locks, key.as_str())?;
    rows.set_row(Table::Locks, key.as_str(), &lock.to_bytes())?;
    Ok(Some(Fence(fence)))
}

pub(super) fn unlock<W: Writing>(rows: &mut W, key: &Key, fence: Fence) -> Result<bool, W::Fault> {
    match newest(rows, key)? {
        Some(lock) if lock.is_held_by(fence) => {
            let released = Lock { lease: 0, ..lock };
            rows.set_row(Table::Locks, key.as_str(), &released.to_bytes())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Removes up to `limit` rows that have ended, and says how many.
pub(super) fn sweep<W: Writing>(rows: &mut W, now: Now, limit: usize) -> Result<usize, W::Fault> {
    let ended = rows.ended(now.millis(), limit)?;
    for (at, table, key) in &ended {
        let key = Key::kept(key);
        match table {
            Table::Records => match rows.row(*table, key.as_str())?.map(|row| Record::from_bytes(&row)) {
                Some(Ok(record)) if !now.is_before(record.until) => forget(rows, &key, &record)?,
                Some(Ok(_)) | None => rows.drop_end(*at, *table, key.as_str())?,
                Some(Err(Damaged)) => end(rows, *at, *table, &key)?,
            },
            Table::Counters | Table::Locks => end(rows, *at, *table, &key)?,
        }
    }
    Ok(ended.len())
}

fn is_met<R: Reading>(
    rows: &R,
    key: &Key,
    record: Option<&Record>,
    expect: Expect,
) -> Result<bool, R::Fault> {
    Ok(match expect {
        Expect::Anything => true,
        Expect::Absent => record.is_none(),
        Expect::Version(version) => record.is_some_and(|record| record.version == version),
        Expect::Held(fence) => newest(rows, key)?.is_some_and(|lock| lock.is_held_by(fence)),
        Expect::Kept(_) if record.is_none() => false,
        Expect::Kept(fence) => is_met(rows, key, record, Expect::Held(fence))?,
    })
}

fn record<R: Reading>(rows: &R, now: Now, key: &Key) -> Result<Option<Record>, R::Fault> {
    Ok(any_record(rows, key)?.filter(|record| now.is_before(record.until)))
}

fn any_record<R: Reading>(rows: &R, key: &Key) -> Result<Option<Record>, R::Fault> {
    let row = rows.row(Table::Records, key.as_str())?;
    Ok(row.map(|row| Record::from_bytes(&row)).transpose()?)
}

fn newest<R: Reading>(rows: &R, key: &Key) -> Result<Option<Lock>, R::Fault> {
    let row = rows.row(Table::Locks, key.as_str())?;
    Ok(row.map(|row| Lock::from_bytes(&row)).transpose()?)
}

fn forget<W: Writing>(rows: &mut W, key: &Key, record: &Record) -> Result<(), W::Fault> {
    for index in &record.indexes {
        rows.drop_member(index, key.as_str())?;
    }
    rows.drop_end(record.until, Table::Records, key.as_str())?;
    rows.drop_row(Table::Records, key.as_str())
}

fn end<W: Writing>(rows: &mut W, at: u64, table: Table, key: &Key) -> Result<(), W::Fault> {
    rows.drop_end(at, table, key.as_str())?;
    rows.drop_row(table, key.as_str())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
