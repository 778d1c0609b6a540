//! The authorization server: signs people in at their own identity providers, and gives clients tokens that are good
//! here and nowhere else.
//!
//! | | |
//! |---|---|
//! | [`authorize`] | what a client asks a person for |
//! | [`sign_in`] | how the person gets from there to a code |
//! | [`journey`] | where that is kept while the person is away |
//! | [`consent`] | what they agreed to before |
//! | [`person`] | who they are here |
//! | [`ticket`] | the link by which they connect an account later |
//! | [`browsing`], [`pages`], [`browser`] | all of that as a browser sees it |
//! | [`token`] | what it gets in the end |
//! | [`client`] | which clients there are, and how they register |
//! | [`access`] | the tokens themselves |
//! | [`keys`] | what tokens are signed with, and when that changes |
//! | [`pkce`] | that whoever ends a sign-in is whoever began it |
//! | [`code`] | what a client gets for its person, once |
//! | [`family`] | how it stays signed in, and how a stolen token ends that |
//! | [`endpoints`], [`metadata`] | all of that over HTTP, and what is said of it |
//! | [`server`] | all of it, put together |
//! | [`error`] | how all of that says no |

mod access;
mod authorize;
mod browser;
mod browsing;
mod client;
mod code;
mod consent;
mod endpoints;
mod error;
mod family;
mod form;
mod grant;
mod journey;
mod keys;
mod metadata;
mod pages;
mod person;
mod pkce;
mod secret;
mod server;
mod sign_in;
#[cfg(test)]
mod testing;
mod ticket;
mod token;

pub(crate) use self::{server::AuthorizationServer, ticket::Tickets};

use crate::config::redirect;
