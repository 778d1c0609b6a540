//! What a store has to be able to do.

use super::{
    error::Error,
    key::{Index, Key, Namespace},
    notice::Listener,
    record::{Cursor, Expect, Fence, Found, Kept, Terms, Version},
};
use std::{fmt, future::Future, time::Duration};

/// Keeps sealed values, counts, locks and tells.
///
/// Each of these is one step: nobody sees half of it, and once it is acknowledged it lasts, as far as the medium lasts.
/// What has expired is absent everywhere, and is removed before long. All implementations pass
/// the tests in `contract`.
pub(super) trait Engine: fmt::Debug + Send + Sync + 'static {
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Kept>, Error>> + Send;

    /// Whether it was written: if not, what was expected is not so. A write that is repeated with its own `version`
    /// succeeds again.
    fn put(
        &self,
        key: &Key,
        version: Version,
        value: Vec<u8>,
        terms: &Terms,
        expect: Expect,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// What was removed, if it was there and what was expected is so.
    fn remove(&self, key: &Key, expect: Expect) -> impl Future<Output = Result<Option<Kept>, Error>> + Send;

    /// A page of what is found under `index`. What was there all the while is found; what is written or removed
    /// meanwhile may be.
    fn list(&self, index: &Index, from: Option<&Cursor>)
    -> impl Future<Output = Result<Found, Error>> + Send;

    /// The counter after adding. Its lifetime runs from the first addition.
    fn add(&self, key: &Key, by: u32, lifetime: Duration) -> impl Future<Output = Result<u64, Error>> + Send;

    /// The fence of the new holder, or nothing while somebody else holds the lock.
    fn lock(&self, key: &Key, lease: Duration) -> impl Future<Output = Result<Option<Fence>, Error>> + Send;

    /// Whether `fence` was still the newest.
    fn unlock(&self, key: &Key, fence: Fence) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Tells every listener of `channel`, also in other processes that share the store.
    fn publish(&self, channel: Namespace, message: Vec<u8>)
    -> impl Future<Output = Result<(), Error>> + Send;

    fn listen(&self, channel: Namespace) -> impl Future<Output = Result<Listener, Error>> + Send;
}
