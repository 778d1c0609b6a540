//! The ledger's rows in redb.

use crate::store::ledger::{Damaged, Reading, Table as Rows, Writing};
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};
use std::ops::Bound;

type Row = TableDefinition<'static, &'static str, &'static [u8]>;
type End = (u64, u8, &'static str);
type Member = (&'static str, &'static str);

const RECORDS: Row = TableDefinition::new("records");
const COUNTERS: Row = TableDefinition::new("counters");
const LOCKS: Row = TableDefinition::new("locks");
const ENDS: TableDefinition<'static, End, ()> = TableDefinition::new("ends");
const MEMBERS: TableDefinition<'static, Member, ()> = TableDefinition::new("members");
const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("about");

/// What the tables above hold, should it ever be something else.
const FORMAT: u64 = 1;

/// Why rows could not be read or written.
#[derive(Debug)]
pub(super) enum Fault {
    /// One row; the others are fine.
    Damaged(Damaged),
    /// The file, or the medium below.
    Storage(Box<redb::Error>),
}

/// All rows as they were at one moment.
pub(super) struct Snapshot(ReadTransaction);

/// All rows, while nobody else writes.
pub(super) struct Batch<'t> {
    records: Table<'t, &'static str, &'static [u8]>,
    counters: Table<'t, &'static str, &'static [u8]>,
    locks: Table<'t, &'static str, &'static [u8]>,
    ends: Table<'t, End, ()>,
    members: Table<'t, Member, ()>,
}

/// Makes the tables where there are none yet. False if the file is of another format.
pub(super) fn prepare(transaction: &WriteTransaction) -> Result<bool, Fault> {
    Batch::of(transaction)?;
    let mut about = transaction.open_table(ABOUT)?;
    let format = about.get("format")?.map(|format| format.value());
    if format.is_none() {
        about.insert("format", FORMAT)?;
    }
    Ok(format.is_none_or(|format| format == FORMAT))
}

impl Snapshot {
    pub(super) fn of(database: &redb::Database) -> Result<Self, Fault> {
        Ok(Self(database.begin_read()?))
    }
}

impl<'t> Batch<'t> {
    pub(super) fn of(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            counters: transaction.open_table(COUNTERS)?,
            locks: transaction.open_table(LOCKS)?,
            ends: transaction.open_table(ENDS)?,
            members: transaction.open_table(MEMBERS)?,
        })
    }

    fn rows(&mut self, table: Rows) -> &mut Table<'t, &'static str, &'static [u8]> {
        match table {
            Rows::Records => &mut self.records,
            Rows::Counters => &mut self.counters,
            Rows::Locks => &mut self.locks,
        }
    }
}

impl Reading for Snapshot {
    type Fault = Fault;

    fn row(&self, table: Rows, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let definition = match table {
            Rows::Records => RECORDS,
            Rows::Counters => COUNTERS,
            Rows::Locks => LOCKS,
        };
        row(&self.0.open_table(definition)?, key)
    }

    fn members(&self, index: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        members(&self.0.open_table(MEMBERS)?, index, after, limit)
    }

    fn ended(&self, now: u64, limit: usize) -> Result<Vec<(u64, Rows, String)>, Fault> {
        ended(&self.0.open_table(ENDS)?, now, limit)
    }
}

impl Reading for Batch<'_> {
    type Fault = Fault;

    fn row(&self, table: Rows, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        match table {
            Rows::Records => row(&self.records, key),
            Rows::Counters => row(&self.counters, key),
            Rows::Locks => row(&self.locks, key),
        }
    }

    fn members(&self, index: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        members(&self.members, index, after, limit)
    }

    fn ended(&self, now: u64, limit: usize) -> Result<Vec<(u64, Rows, String)>, Fault> {
        ended(&self.ends, now, limit)
    }
}

impl Writing for Batch<'_> {
    fn set_row(&mut self, table: Rows, key: &str, row: &[u8]) -> Result<(), Fault> {
        self.rows(table).insert(key, row)?;
        Ok(())
    }

    fn drop_row(&mut self, table: Rows, key: &str) -> Result<(), Fault> {
        self.rows(table).remove(key)?;
        Ok(())
    }

    fn set_end(&mut self, at: u64, table: Rows, key: &str) -> Result<(), Fault> {
        self.ends.insert((at, number(table), key), ())?;
        Ok(())
    }

    fn drop_end(&mut self, at: u64, table: Rows, key: &str) -> Result<(), Fault> {
        self.ends.remove((at, number(table), key))?;
        Ok(())
    }

    fn set_member(&mut self, index: &str, key: &str) -> Result<(), Fault> {
        self.members.insert((index, key), ())?;
        Ok(())
    }

    fn drop_member(&mut self, index: &str, key: &str) -> Result<(), Fault> {
        self.members.remove((index, key))?;
        Ok(())
    }
}

impl From<Damaged> for Fault {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

impl From<redb::TransactionError> for Fault {
    fn from(error: redb::TransactionError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

fn row(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    Ok(table.get(key)?.map(|row| row.value().to_vec()))
}

fn members(
    table: &impl ReadableTable<Member, ()>,
    index: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Fault> {
    let from = Bound::Excluded((index, after.unwrap_or_default()));
    let mut keys = Vec::new();
    for member in table.range((from, Bound::Unbounded))? {
        let (member, ()) = member.map(|(member, value)| (member, value.value()))?;
        let (of, key) = member.value();
        if of != index || keys.len() == limit {
            break;
        }
        keys.push(key.to_owned());
    }
    Ok(keys)
}

fn ended(
    table: &impl ReadableTable<End, ()>,
    now: u64,
    limit: usize,
) -> Result<Vec<(u64, Rows, String)>, Fault> {
    let mut rows = Vec::new();
    for end in table.iter()?.take(limit) {
        let (end, _) = end?;
        let (at, table, key) = end.value();
        if at > now {
            break;
        }
        rows.push((at, numbered(table)?, key.to_owned()));
    }
    Ok(rows)
}

const fn number(table: Rows) -> u8 {
    match table {
        Rows::Records => 0,
        Rows::Counters => 1,
        Rows::Locks => 2,
    }
}

fn numbered(number: u8) -> Result<Rows, Damaged> {
    match number {
        0 => Ok(Rows::Records),
        1 => Ok(Rows::Counters),
        2 => Ok(Rows::Locks),
        _ => Err(Damaged),
    }
}
