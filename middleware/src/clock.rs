//! Time is an argument.

use std::{fmt, time::SystemTime};

/// Tells the time to whatever judges an expiry.
///
/// [`SystemClock`] is the default everywhere; a test brings its own.
///
/// ```
/// use countersign::clock::Clock;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// #[derive(Debug)]
/// struct Frozen;
///
/// impl Clock for Frozen {
///     fn now(&self) -> SystemTime {
///         UNIX_EPOCH + Duration::from_secs(1_800_000_000)
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time it is.
    fn now(&self) -> SystemTime;
}

/// The operating system's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
