//! The doubles, seen from outside by clients that nobody here wrote.

mod forge;
mod idp;
mod mcp;
mod oracle;
mod sts;
