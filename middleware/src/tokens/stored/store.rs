use super::{account::Account, connection::Connection};
use crate::error::BoxError;
use std::{fmt, future::Future, time::Duration};

/// Where connections are kept, perhaps for several processes.
///
/// What it keeps is sealed, and its errors hold nothing of it. Its leases are fenced: each has a higher number than all
/// before it, and whoever writes with one that is not the latest any more changes nothing.
///
/// Its futures run apart from the request that caused them, to their end.
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// What is kept for `account`.
    fn load(&self, account: &Account) -> impl Future<Output = Result<Option<Connection>, BoxError>> + Send;

    /// Leave to change what is kept for `account`, for `time` at most; `None` while somebody else has it.
    fn lease(
        &self,
        account: &Account,
        time: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, BoxError>> + Send;

    /// Puts `connection` in the place of what is kept. Where nothing is kept any more, it was put there by somebody
    /// else since (a person who connected the account anew), or `lease` is not the latest, nothing happens.
    fn replace(
        &self,
        account: &Account,
        lease: Lease,
        connection: &Connection,
    ) -> impl Future<Output = Result<Written, BoxError>> + Send;

    /// Forgets what is kept, on the same terms.
    fn remove(
        &self,
        account: &Account,
        lease: Lease,
    ) -> impl Future<Output = Result<Written, BoxError>> + Send;

    /// Gives the lease back before its time.
    fn release(&self, account: &Account, lease: Lease) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Leave to change one account's connection. Its number fences off whoever had one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease(u64);

/// Whether a write took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It did.
    Done,
    /// Somebody else was there since, and what they wrote stays.
    Superseded,
}

impl Lease {
    /// The lease with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}
