//! The doubles, seen from outside by clients that nobody here wrote.
#![allow(clippy::unwrap_used, reason = "whatever is missing here fails the test, as it should")]

mod forge;
mod idp;
mod mcp;
mod oracle;
mod sts;
