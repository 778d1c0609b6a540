//! The one module that may spawn.

#[cfg(feature = "expression")]
mod stack;

#[cfg(feature = "expression")]
pub(crate) use self::stack::on_large_stack;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::{JoinError, JoinHandle};

/// Runs `work` apart from the request that asked for it: a caller that gives up does not cancel it.
#[allow(clippy::disallowed_methods, reason = "everybody else spawns through here")]
pub(crate) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(work)
}

/// Runs `work` for one request, and ends it with that request: so what limits requests limits this too. It has a
/// name as a type, which the future of an `async fn` has not.
pub(crate) fn spawn_owned<F>(work: F) -> Owned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Owned(spawn(work))
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Owned<T>(JoinHandle<T>);

impl<T> Future for Owned<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
