//! The OAuth server in front of the company's identity providers, as it is written.

use super::{ClientAuthentication, Endpoint, Named, auth::with_token_endpoint};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// Who signs people in, and what clients get of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizationServer {
    pub(crate) upstreams: Spanned<Vec<Upstream>>,
    /// Claims of our tokens, each with what of an upstream's it is: `groups: upstream.corp.groups`.
    pub(crate) claims: Option<Named<Spanned<String>>>,
    #[serde(default)]
    pub(crate) clients: Vec<Spanned<NamedClient>>,
    /// What clients may ask for.
    #[serde(default)]
    pub(crate) scopes: Vec<Spanned<String>>,
    /// What tokens may be for; our own address at `/mcp` where nothing is said.
    pub(crate) resources: Option<Spanned<Vec<Spanned<String>>>>,
    /// Other issuers whose word counts for services.
    #[serde(default)]
    pub(crate) trusted_issuers: Vec<TrustedIssuer>,
    #[serde(default)]
    pub(crate) registration: Registration,
    #[serde(default)]
    pub(crate) sign_ins: SignIns,
    #[serde(default)]
    pub(crate) lifetimes: Lifetimes,
    #[serde(default)]
    pub(crate) signing: Signing,
}

/// A provider at which callers have accounts. Exactly one of `oidc` and `oauth2`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(crate) name: Spanned<String>,
    /// What pages call it.
    pub(crate) title: Option<String>,
    /// Whether a person may sign in without it.
    #[serde(default)]
    pub(crate) optional: bool,
    /// What of its claims our tokens have as well, by the same name.
    #[serde(default)]
    pub(crate) claims: Vec<Spanned<String>>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) oauth2: Option<OAuth2>,
}

with_token_endpoint! {
    /// A provider that describes itself.
    Oidc {
        issuer: Option<Spanned<String>>,
        preset: Option<Spanned<DescribedPreset>>,
        /// Which directory of Entra.
        tenant: Option<Spanned<String>>,
        /// Which organization at Okta.
        domain: Option<Spanned<String>>,
        scopes: Option<Vec<Spanned<String>>>,
        parameters: Option<Named<Spanned<String>>>,
    }
}

with_token_endpoint! {
    /// A provider that says who somebody is in its own way, or not at all.
    OAuth2 {
        preset: Option<Spanned<Preset>>,
        authorize_url: Option<Spanned<String>>,
        userinfo_url: Option<Spanned<String>>,
        subject: Option<Spanned<String>>,
        scopes: Option<Vec<Spanned<String>>>,
        parameters: Option<Named<Spanned<String>>>,
    }
}

/// A provider that describes itself where everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DescribedPreset {
    Entra,
    Google,
    Okta,
}

/// A provider whose addresses are known. Those that describe themselves are told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    Atlassian,
    Entra,
    Github,
    Google,
    Okta,
}

/// A client that the operator names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedClient {
    pub(crate) id: Spanned<String>,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<Spanned<String>>,
    pub(crate) secret: Option<Spanned<String>>,
    /// In which ways it may have tokens; as people's clients do, where nothing is said.
    pub(crate) grants: Option<Vec<Spanned<Grant>>>,
}

/// One way to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grant {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    TokenExchange,
    JwtBearer,
}

/// An issuer whose word counts for services.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedIssuer {
    pub(crate) issuer: Spanned<String>,
    /// Whether it vouches for people in assertions for us (RFC 7523).
    #[serde(default)]
    pub(crate) assertions: bool,
    /// What its tokens are for that services exchange (RFC 8693).
    pub(crate) subject_audience: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) claims: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) scopes: Vec<Spanned<String>>,
}

/// Clients that register themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    pub(crate) open: Option<bool>,
    /// Whether clients may describe themselves at an address of theirs.
    pub(crate) documents: Option<bool>,
    /// Whether that may be on this machine.
    #[serde(default)]
    pub(crate) dangerous_loopback_documents: bool,
    pub(crate) idle_days: Option<Spanned<u32>>,
    pub(crate) hourly: Option<Spanned<u32>>,
    pub(crate) hourly_from_one_address: Option<Spanned<u32>>,
}

/// How many sign-ins may begin in a minute.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIns {
    pub(crate) minutely: Option<Spanned<u32>>,
    pub(crate) minutely_from_one_address: Option<Spanned<u32>>,
}

/// For how long what is issued is good.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lifetimes {
    pub(crate) access_seconds: Option<Spanned<u32>>,
    pub(crate) refresh_seconds: Option<Spanned<u32>>,
    pub(crate) code_seconds: Option<Spanned<u32>>,
}

/// What tokens are signed with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signing {
    #[serde(default)]
    pub(crate) algorithm: Algorithm,
    pub(crate) turn_days: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Algorithm {
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}
