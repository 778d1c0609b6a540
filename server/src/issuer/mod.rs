//! The authorization server: signs people in at their own identity providers, and gives clients tokens that are good
//! here and nowhere else.
//!
//! | | |
//! |---|---|
//! | [`authorize`] | what a client asks a person for |
//! | [`pending`] | where that is kept while the person is away |
//! | [`token`] | what it gets in the end |
//! | [`client`] | which clients there are, how they register, and how they describe themselves |
//! | [`fetch`], [`reach`] | how a document is fetched that a stranger named |
//! | [`once`] | that what was signed for one use is used once |
//! | [`access`] | the tokens themselves |
//! | [`keys`] | what tokens are signed with, and when that changes |
//! | [`redirect`] | where a browser may be sent back to |
//! | [`pkce`] | that whoever ends a sign-in is whoever began it |
//! | [`code`] | what a client gets for its person, once |
//! | [`family`] | how it stays signed in, and how a stolen token ends that |
//! | [`services`] | tokens that services get without a browser |
//! | [`introspect`], [`own`] | what is told about a token that comes back |
//! | [`endpoints`], [`metadata`] | all of that over HTTP, and what is said of it |
//! | [`error`] | how all of that says no |

mod access;
mod authorize;
mod claimed;
mod client;
mod code;
mod endpoints;
mod error;
mod family;
mod fetch;
mod form;
mod grant;
mod introspect;
mod keys;
mod metadata;
mod once;
mod own;
mod pending;
mod pkce;
mod reach;
mod redirect;
mod secret;
mod services;
mod subject;
#[cfg(test)]
mod testing;
mod token;
