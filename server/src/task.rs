//! The one place where work is started that nobody waits for.

use std::{future::Future, time::Duration};

/// Does it for at most this long. Where no runtime is left to do it, this process is ending, and so is all work.
pub(crate) fn beside(patience: Duration, work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if tokio::time::timeout(patience, work).await.is_err() {
                tracing::debug!("something that nobody waited for took too long");
            }
        });
    }
}
