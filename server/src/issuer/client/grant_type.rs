//! In which ways tokens are had.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One way to tokens, of which a client may use some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum GrantType {
    /// A person agreed.
    AuthorizationCode,
    /// And does not have to again.
    RefreshToken,
    /// For a service by itself.
    ClientCredentials,
    /// In the name of whoever called the service (RFC 8693).
    TokenExchange,
    /// For whom an issuer vouches that is trusted (RFC 7523).
    JwtBearer,
}

impl GrantType {
    pub(crate) const ALL: [Self; 5] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// What a client may use of which nothing else is said.
    pub(crate) fn for_people() -> BTreeSet<Self> {
        [Self::AuthorizationCode, Self::RefreshToken].into()
    }

    /// As it stands in `grant_type`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }
}
