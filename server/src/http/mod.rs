//! The gateway as seen from outside: one MCP endpoint, and the documents that lead clients to it.

mod anonymous;
mod gate;
mod revoked;
mod router;
mod sender;
mod whole;

pub(crate) use self::router::{Admitted, router};
