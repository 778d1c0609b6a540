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
//! | [`endpoints`], [`metadata`] | all of that over HTTP, and what is said of it |
//! | [`error`] | how all of that says no |

mod access;
mod authorize;
mod client;
mod code;
mod endpoints;
mod error;
mod family;
mod fetch;
mod form;
mod grant;
mod keys;
mod metadata;
mod once;
mod pending;
mod pkce;
mod reach;
mod redirect;
mod secret;
#[cfg(test)]
mod testing;
mod token;
