//! MCP between a client and a backend: what is said, in which era, and in whose session.

mod connect;
mod era;
mod error;
mod message;
mod names;
mod relay;
mod session;

pub(crate) use self::connect::Connect;
pub(crate) use self::relay::{MAX_BODY, Relay};
