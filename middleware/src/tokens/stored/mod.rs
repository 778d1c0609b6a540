//! Tokens in a store, renewed in time and once.

mod account;
mod code;
mod connection;
mod oauth;
mod refresh;
mod renewal;
mod source;
mod store;

pub use self::{
    account::Account,
    code::{OAuthCodes, Unredeemed},
    connection::Connection,
    oauth::OAuthRefresh,
    refresh::{Refresh, RefreshFailure, Refreshed},
    source::{Finding, StoredTokens, StoredTokensBuilder},
    store::{Lease, TokenStore, Written},
};
