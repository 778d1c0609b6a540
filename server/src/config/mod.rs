//! What the operator wrote, and what it means.
//!
//! [`raw`] is the file as it stands, every value with its place; [`resolved`] is made of types that cannot be wrong.
//! Between the two every problem is found and told, not only the first.

pub(crate) mod access;
pub(crate) mod authorization_server;
pub(crate) mod aws;
pub(crate) mod callers;
pub(crate) mod diagnostic;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod headers;
mod issuers;
mod key;
mod load;
pub(crate) mod minting;
pub(crate) mod naming;
mod near;
pub(crate) mod networks;
pub(crate) mod overrides;
pub(crate) mod program;
mod providers;
pub(crate) mod raw;
pub(crate) mod redirect;
pub(crate) mod resolved;
mod roles;
mod secret;
mod service_identity;
mod session_names;
mod sessions;
pub(crate) mod store;
mod token_endpoint;
pub(crate) mod tools;

pub(crate) use self::load::load;
#[cfg(any(test, feature = "demo"))]
pub(crate) use self::load::parse;
