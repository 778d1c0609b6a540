//! The store on real Redis servers. `./tests/run --only peers` prepares them.

mod cluster;
mod outage;
mod sentinel;
pub(crate) mod server;
mod standalone;
mod tls;
