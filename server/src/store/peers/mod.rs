//! The store on real Redis servers. `./tests/run --only peers` prepares them.

mod cluster;
mod outage;
mod sentinel;
mod server;
mod standalone;
mod tls;
