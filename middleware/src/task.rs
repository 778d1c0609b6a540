//! The one module that may spawn.

use std::future::Future;
use tokio::task::JoinHandle;

/// Runs `work` apart from the request that asked for it: a caller that gives up does not cancel it.
#[allow(clippy::disallowed_methods, reason = "everybody else spawns through here")]
pub(crate) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(work)
}
