//! A store that several "processes" share: each has its own source of tokens over a clone of it.

use countersign::{
    BoxError,
    tokens::{Account, Connection, Lease, TokenStore, Written},
};
use countersign_fixtures::clock::Clock;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

#[derive(Clone)]
pub(super) struct Shared {
    rows: Arc<Mutex<Rows>>,
    clock: Clock,
}

#[derive(Default)]
struct Rows {
    kept: HashMap<Account, Connection>,
    leases: HashMap<Account, (u64, Option<SystemTime>)>,
    loads: u64,
    is_down: bool,
    writes_that_fail: u32,
}

impl Shared {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { rows: Arc::default(), clock: clock.clone() }
    }

    /// A person connected the account: whoever had a lease has lost it.
    pub(super) fn put(&self, account: Account, connection: Connection) {
        let mut rows = self.rows();
        let (number, until) = rows.leases.entry(account.clone()).or_default();
        *number += 1;
        *until = None;
        rows.kept.insert(account, connection);
    }

    pub(super) fn kept(&self, account: &Account) -> Option<Connection> {
        self.rows().kept.get(account).cloned()
    }

    /// How often it was looked into.
    pub(super) fn loads(&self) -> u64 {
        self.rows().loads
    }

    pub(super) fn break_down(&self, down: bool) {
        self.rows().is_down = down;
    }

    /// The next writes fail, but for the one that notes that a renewal begins.
    pub(super) fn fail_writes(&self, count: u32) {
        self.rows().writes_that_fail = count;
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    fn working(&self) -> Result<MutexGuard<'_, Rows>, BoxError> {
        let rows = self.rows();
        if rows.is_down { Err("the store is down".into()) } else { Ok(rows) }
    }
}

impl Rows {
    fn is_latest(&self, account: &Account, lease: Lease) -> bool {
        let latest = self.leases.get(account).is_some_and(|(number, _)| *number == lease.number());
        latest && self.kept.contains_key(account)
    }
}

impl TokenStore for Shared {
    async fn load(&self, account: &Account) -> Result<Option<Connection>, BoxError> {
        // Others get their turn here, as they do where a store is a network away.
        tokio::task::yield_now().await;
        let mut rows = self.working()?;
        rows.loads += 1;
        Ok(rows.kept.get(account).cloned())
    }

    async fn lease(&self, account: &Account, time: Duration) -> Result<Option<Lease>, BoxError> {
        tokio::task::yield_now().await;
        let now = self.clock.now();
        let mut rows = self.working()?;
        let (number, until) = rows.leases.entry(account.clone()).or_default();
        if until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        *number += 1;
        *until = Some(now + time);
        Ok(Some(Lease::new(*number)))
    }

    async fn replace(&self, account: &Account, lease: Lease, new: &Connection) -> Result<Written, BoxError> {
        tokio::task::yield_now().await;
        let mut rows = self.working()?;
        if rows.writes_that_fail > 0 && !new.is_being_renewed() {
            rows.writes_that_fail -= 1;
            return Err("the write failed".into());
        }
        if !rows.is_latest(account, lease) {
            return Ok(Written::Superseded);
        }
        rows.kept.insert(account.clone(), new.clone());
        Ok(Written::Done)
    }

    async fn remove(&self, account: &Account, lease: Lease) -> Result<Written, BoxError> {
        tokio::task::yield_now().await;
        let mut rows = self.working()?;
        if !rows.is_latest(account, lease) {
            return Ok(Written::Superseded);
        }
        rows.kept.remove(account);
        Ok(Written::Done)
    }

    async fn release(&self, account: &Account, lease: Lease) -> Result<(), BoxError> {
        let mut rows = self.working()?;
        if let Some((number, until)) = rows.leases.get_mut(account)
            && *number == lease.number()
        {
            *until = None;
        }
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
