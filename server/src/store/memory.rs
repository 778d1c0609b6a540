//! For one process, and gone with it.

use super::{
    engine::Engine,
    error::{Error, Kind},
    key::{Index, Key, Namespace},
    ledger::{self, Damaged, Now, Reading, Table, Writing},
    notice::{Channels, Listener},
    record::{Cursor, Expect, Fence, Found, Kept, Terms, Version},
};
use countersign::clock::Clock;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Keeps everything in memory, up to a number of rows.
///
/// A full store refuses what is new. It never drops what is still valid: a forgotten "this was spent" would let it be
/// spent again.
pub(crate) struct Memory {
    rows: Mutex<Rows>,
    capacity: usize,
    channels: Channels,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<(Table, String), Vec<u8>>,
    ends: BTreeSet<(u64, Table, String)>,
    members: BTreeSet<(String, String)>,
}

/// How much of what has ended each write clears away: more than it can add.
const SWEEP: usize = 8;

impl Memory {
    pub(crate) fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self { rows: Mutex::default(), capacity, channels: Channels::default(), clock }
    }

    /// How many rows there are, expired ones among them.
    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.locked().rows.len()
    }

    fn now(&self) -> Now {
        Now::at(self.clock.now())
    }

    fn locked(&self) -> MutexGuard<'_, Rows> {
        // A panic between two writes of one step cannot happen: nothing below panics.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step<T>(&self, step: impl FnOnce(&mut Rows, Now) -> Result<T, Damaged>) -> Result<T, Error> {
        let (mut rows, now) = (self.locked(), self.now());
        ledger::sweep(&mut *rows, now, SWEEP).map_err(damaged)?;
        step(&mut rows, now).map_err(damaged)
    }

    /// A step that may add one row.
    fn growing<T>(
        &self,
        table: Table,
        key: &Key,
        step: impl FnOnce(&mut Rows, Now) -> Result<T, Damaged>,
    ) -> Result<T, Error> {
        let (mut rows, now) = (self.locked(), self.now());
        ledger::sweep(&mut *rows, now, SWEEP).map_err(damaged)?;
        if rows.rows.len() >= self.capacity && rows.row(table, key.as_str()).map_err(damaged)?.is_none() {
            return Err(Error::new(Kind::Full, "the store in memory holds as many rows as it may"));
        }
        step(&mut rows, now).map_err(damaged)
    }
}

impl Engine for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Kept>, Error> {
        ledger::get(&*self.locked(), self.now(), key).map_err(damaged)
    }

    async fn put(
        &self,
        key: &Key,
        version: Version,
        value: Vec<u8>,
        terms: &Terms,
        expect: Expect,
    ) -> Result<bool, Error> {
        self.growing(Table::Records, key, |rows, now| {
            ledger::put(rows, now, key, (version, &value), terms, expect)
        })
    }

    async fn remove(&self, key: &Key, expect: Expect) -> Result<Option<Kept>, Error> {
        self.step(|rows, now| ledger::remove(rows, now, key, expect))
    }

    async fn list(&self, index: &Index, from: Option<&Cursor>) -> Result<Found, Error> {
        ledger::list(&*self.locked(), self.now(), index, from).map_err(damaged)
    }

    async fn add(&self, key: &Key, by: u32, lifetime: Duration) -> Result<u64, Error> {
        self.growing(Table::Counters, key, |rows, now| ledger::add(rows, now, key, by, lifetime))
    }

    async fn lock(&self, key: &Key, lease: Duration) -> Result<Option<Fence>, Error> {
        self.growing(Table::Locks, key, |rows, now| ledger::lock(rows, now, key, lease))
    }

    async fn unlock(&self, key: &Key, fence: Fence) -> Result<bool, Error> {
        self.step(|rows, _| ledger::unlock(rows, key, fence))
    }

    async fn publish(&self, channel: Namespace, message: Vec<u8>) -> Result<(), Error> {
        self.channels.publish(channel, &message);
        Ok(())
    }

    async fn listen(&self, channel: Namespace) -> Result<Listener, Error> {
        Ok(self.channels.listen(channel))
    }
}

impl Reading for Rows {
    type Fault = Damaged;

    fn row(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, Damaged> {
        Ok(self.rows.get(&(table, key.to_owned())).cloned())
    }

    fn members(&self, index: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Damaged> {
        let from = Bound::Excluded((index.to_owned(), after.unwrap_or_default().to_owned()));
        let members = self.members.range((from, Bound::Unbounded));
        Ok(members.take_while(|(of, _)| of == index).take(limit).map(|(_, key)| key.clone()).collect())
    }

    fn ended(&self, now: u64, limit: usize) -> Result<Vec<(u64, Table, String)>, Damaged> {
        Ok(self.ends.iter().take_while(|(at, ..)| *at <= now).take(limit).cloned().collect())
    }
}

impl Writing for Rows {
    fn set_row(&mut self, table: Table, key: &str, row: &[u8]) -> Result<(), Damaged> {
        self.rows.insert((table, key.to_owned()), row.to_vec());
        Ok(())
    }

    fn drop_row(&mut self, table: Table, key: &str) -> Result<(), Damaged> {
        self.rows.remove(&(table, key.to_owned()));
        Ok(())
    }

    fn set_end(&mut self, at: u64, table: Table, key: &str) -> Result<(), Damaged> {
        self.ends.insert((at, table, key.to_owned()));
        Ok(())
    }

    fn drop_end(&mut self, at: u64, table: Table, key: &str) -> Result<(), Damaged> {
        self.ends.remove(&(at, table, key.to_owned()));
        Ok(())
    }

    fn set_member(&mut self, index: &str, key: &str) -> Result<(), Damaged> {
        self.members.insert((index.to_owned(), key.to_owned()));
        Ok(())
    }

    fn drop_member(&mut self, index: &str, key: &str) -> Result<(), Damaged> {
        self.members.remove(&(index.to_owned(), key.to_owned()));
        Ok(())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

fn damaged(damaged: Damaged) -> Error {
    Error::unreadable().because(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Store,
        contract::{CODES, SHORT, Subject, contract, hands_of, long, seal, short},
    };
    use countersign_fixtures::clock;

    contract!(subject());

    async fn subject() -> Subject {
        let clock = clock::Clock::default();
        let memory = Memory::new(hands_of(&clock), 10_000);
        Subject::in_one_process(Store::in_memory(memory, seal()), clock, ())
    }

    #[tokio::test]
    async fn a_full_store_refuses_what_is_new_and_drops_nothing() {
        let clock = clock::Clock::default();
        let memory = Memory::new(hands_of(&clock), 3);
        let version = Version::from_bytes([1; 16]);
        let put = async |name: &str, terms: &Terms| {
            memory.put(&CODES.key(&[name]), version, b"sealed".to_vec(), terms, Expect::Anything).await
        };
        put("a", &long()).await.unwrap();
        put("b", &short()).await.unwrap();
        memory.add(&CODES.key(&["c"]), 1, SHORT).await.unwrap();
        assert_eq!(put("d", &long()).await.unwrap_err().kind(), Kind::Full);
        assert_eq!(memory.lock(&CODES.key(&["a"]), SHORT).await.unwrap_err().kind(), Kind::Full);
        put("a", &long()).await.unwrap();
        assert_eq!(memory.rows(), 3);
        clock.advance(SHORT);
        put("d", &long()).await.unwrap();
        assert_eq!(memory.rows(), 2, "what has expired is gone");
    }
}
