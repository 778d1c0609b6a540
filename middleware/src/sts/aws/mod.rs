//! AWS STS itself.

mod answer;
mod builder;
mod client;
mod guard;

pub use self::builder::{Sts, StsBuilder};
pub(super) use self::client::{Ticking, https_client};
