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
//! | [`beginnings`], [`budget`], [`sender`] | how many may begin, and from where |
//! | [`ticket`] | the link by which they connect an account later |
//! | [`browsing`], [`pages`], [`browser`] | all of that as a browser sees it |
//! | [`token`] | what it gets in the end |
//! | [`client`] | which clients there are, how they register, and how they describe themselves |
//! | [`fetch`], [`reach`] | how a document is fetched that a stranger named |
//! | [`once`] | that what was signed for one use is used once |
//! | [`access`] | the tokens themselves |
//! | [`keys`] | what tokens are signed with, and when that changes |
//! | [`pkce`] | that whoever ends a sign-in is whoever began it |
//! | [`code`] | what a client gets for its person, once |
//! | [`family`] | how it stays signed in, and how a stolen token ends that |
//! | [`revocation`] | how everything of somebody's ends at once |
//! | [`services`] | tokens that services get without a browser |
//! | [`introspect`], [`own`] | what is told about a token that comes back |
//! | [`web_identity`] | tokens that AWS STS is shown |
//! | [`endpoints`], [`metadata`] | all of that over HTTP, and what is said of it |
//! | [`server`] | all of it, put together |
//! | [`error`] | how all of that says no |

mod access;
mod authorize;
mod beginnings;
mod browser;
mod browsing;
mod budget;
mod claimed;
mod client;
mod code;
mod consent;
mod endpoints;
mod error;
mod family;
mod fetch;
mod form;
mod grant;
mod introspect;
mod journey;
mod keys;
mod metadata;
mod once;
mod own;
mod pages;
#[cfg(test)]
mod peers;
mod person;
mod pkce;
mod reach;
mod revocation;
mod secret;
mod sender;
mod server;
mod services;
mod sign_in;
mod subject;
#[cfg(test)]
mod testing;
mod ticket;
mod token;
mod web_identity;

pub(crate) use self::{
    error::Fault,
    revocation::{Ended, Revocations, Whose},
    sender::Sender,
    server::AuthorizationServer,
    ticket::Tickets,
};

use crate::config::redirect;
