//! What the server remembers: upstream tokens, codes, refresh families, pending sign-ins, consents, clients, keys,
//! revocations.
//!
//! A [`Store`] is made of few parts: records that expire, with a version each ([`Store::put`] under an
//! [`Expect`]ation, [`Store::take`]), found by key or by [`Index`]; counters; locks with a fence; notices to
//! everybody who shares the store. Values are sealed ([`seal`]), keys are hashes ([`key`]).
//!
//! | engine | for | what is acknowledged |
//! |---|---|---|
//! | [`Memory`] | one process | ends with it |
//! | [`File`] | one process | is on disk |
//! | [`Redis`] | any number of replicas | is what that Redis keeps: run it with `appendfsync always` to lose nothing |
//!
//! All three pass the same contract, the tests in `contract`.

mod connections;
#[cfg(test)]
mod contract;
mod engine;
mod error;
mod file;
mod key;
mod ledger;
mod memory;
mod notice;
mod open;
#[cfg(test)]
pub(crate) mod peers;
mod record;
pub(crate) mod redis;
mod seal;
mod sealed;

#[allow(unused_imports, reason = "the authorization server and the token sources use it")]
pub(crate) use self::{
    connections::{Connections, Saved},
    error::{Error, Kind},
    file::File,
    key::{Index, Key, Namespace},
    memory::Memory,
    record::{Cursor, Expect, Fence, Terms, Version},
    redis::Redis,
    seal::{Seal, SealingKey},
    sealed::{Held, Notice, Notices, Page, Store, Stored},
};
