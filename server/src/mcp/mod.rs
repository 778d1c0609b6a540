//! MCP between a client and any number of backends.
//!
//! A message comes to [`relay`], which knows its [`era`] and its [`session`]. [`route`] says whose it is: of one backend
//! ([`forward`]), of all ([`fanout`], [`listen`]), or of nobody. A [`talk`] finds the way to each of them; what they say
//! goes back in the client's own [`words`]. Nothing is decoded that only passes ([`wire`]).

mod abilities;
mod access;
mod answer;
mod batch;
mod before;
mod cancel;
mod catalog;
mod connect;
mod era;
mod error;
mod fanout;
mod filter;
mod flights;
mod follow;
mod forward;
mod hello;
mod index;
#[cfg(any(test, feature = "internals"))]
pub(crate) mod invariants;
mod kept;
mod lasting;
mod line;
mod links;
mod listen;
mod message;
mod names;
mod naming;
mod object;
mod overridden;
mod params;
mod parked;
mod peer;
mod pool;
mod questions;
mod relay;
mod replicas;
mod rounds;
mod route;
mod scan;
mod search;
mod session;
mod shared;
mod sse;
mod strict;
mod talk;
mod tasks;
mod view;
mod watching;
mod wire;
mod words;

pub(crate) use self::connect::Connect;
pub(crate) use self::relay::{MAX_BODY, Relay};
