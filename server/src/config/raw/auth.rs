//! Who signs for a backend, as it is written.

use super::{Named, Roles, Sts};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// Who signs for a backend: exactly one kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    Aws(Box<Spanned<Aws>>),
    UpstreamToken(OfProvider),
    TokenExchange(Box<Spanned<TokenExchange>>),
    IdJag(Box<Spanned<IdJag>>),
    Headers(Named<Spanned<String>>),
    Query(Named<Spanned<String>>),
    None,
}

/// AWS SigV4.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    pub(crate) service: Option<Spanned<String>>,
    pub(crate) region: Option<Spanned<String>>,
    /// The host that a proxy on the way puts in.
    pub(crate) sign_host: Option<Spanned<String>>,
    pub(crate) credentials: Option<Spanned<Credentials>>,
    pub(crate) service_identity: Option<Spanned<ServiceIdentity>>,
    pub(crate) roles: Option<Spanned<Roles>>,
    pub(crate) session_name: Option<Spanned<String>>,
    pub(crate) external_id: Option<Spanned<String>>,
    pub(crate) source_identity: Option<Spanned<String>>,
    pub(crate) tags: Option<Spanned<Named<Spanned<String>>>>,
    #[serde(default)]
    pub(crate) sts: Sts,
}

/// Whose credentials a signature is made with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Credentials {
    WebIdentity(WebIdentity),
    Brokered,
    Service,
}

/// Which token STS is shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WebIdentity {
    /// One that the authorization server makes for this.
    Minted,
    Caller,
    Upstream(OfProvider),
}

/// Who this server itself is to AWS, unless that is whoever it is where it runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceIdentity {
    pub(crate) profile: Option<Spanned<String>>,
    pub(crate) credentials_file: Option<Spanned<String>>,
    pub(crate) access_key_id: Option<Spanned<String>>,
    pub(crate) secret_access_key: Option<Spanned<String>>,
    pub(crate) session_token: Option<Spanned<String>>,
    /// A role to go on to from there.
    pub(crate) role: Option<Spanned<String>>,
    pub(crate) external_id: Option<Spanned<String>>,
}

/// A caller's token at a provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfProvider {
    pub(crate) provider: Spanned<String>,
    pub(crate) token: Option<Spanned<WhichToken>>,
}

/// Which of the tokens that a provider issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhichToken {
    Access,
    Id,
}

/// A structure that has a token endpoint, and who we are there, among its keys.
macro_rules! with_token_endpoint {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $key:ident: $value:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$note])* pub(crate) $key: $value,)*
            token_url: Option<Spanned<String>>,
            client_id: Spanned<String>,
            client_secret: Option<Spanned<String>>,
            client_authentication: Option<Spanned<ClientAuthentication>>,
            private_key: Option<Spanned<String>>,
            key_id: Option<Spanned<String>>,
            assertion_audience: Option<Spanned<String>>,
            authorities: Option<Spanned<String>>,
            #[serde(default)]
            dangerous_allow_private_addresses: bool,
        }

        impl $name {
            pub(crate) fn endpoint(&self) -> Endpoint<'_> {
                Endpoint {
                    token_url: self.token_url.as_ref(),
                    client_id: &self.client_id,
                    client_secret: self.client_secret.as_ref(),
                    client_authentication: self.client_authentication.as_ref(),
                    private_key: self.private_key.as_ref(),
                    key_id: self.key_id.as_ref(),
                    assertion_audience: self.assertion_audience.as_ref(),
                    authorities: self.authorities.as_ref(),
                    private_addresses: self.dangerous_allow_private_addresses,
                    secret_in_form: false,
                }
            }
        }
    };
}

/// Where tokens are had, and who we are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint<'r> {
    pub(crate) token_url: Option<&'r Spanned<String>>,
    pub(crate) client_id: &'r Spanned<String>,
    pub(crate) client_secret: Option<&'r Spanned<String>>,
    pub(crate) client_authentication: Option<&'r Spanned<ClientAuthentication>>,
    pub(crate) private_key: Option<&'r Spanned<String>>,
    pub(crate) key_id: Option<&'r Spanned<String>>,
    pub(crate) assertion_audience: Option<&'r Spanned<String>>,
    pub(crate) authorities: Option<&'r Spanned<String>>,
    pub(crate) private_addresses: bool,
    /// Whether a secret goes there where nothing is said.
    pub(crate) secret_in_form: bool,
}

/// How we show who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuthentication {
    Basic,
    Post,
    PrivateKeyJwt,
    None,
}

with_token_endpoint! {
    /// A token that is exchanged for the backend's (RFC 8693).
    TokenExchange {
        #[serde(default)]
        subject: Subject,
        subject_type: Option<Spanned<TokenType>>,
        actor: Option<Spanned<Actor>>,
        audience: Option<Spanned<OneOrMore>>,
        resource: Option<Spanned<OneOrMore>>,
        scope: Option<Spanned<OneOrMore>>,
        requested_type: Option<TokenType>,
    }
}

with_token_endpoint! {
    /// An identity assertion of a provider's, redeemed at the backend's own authorization server. The token endpoint
    /// is the latter's; that of the provider is where the provider is configured.
    IdJag {
        provider: Spanned<String>,
        asserted_by: Spanned<String>,
        authorization_server: Spanned<String>,
        resource: Option<Spanned<String>>,
        scope: Option<Spanned<OneOrMore>>,
    }
}

/// Whose token is exchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    #[default]
    Caller,
    Upstream(Spanned<OfSomeProvider>),
}

/// A caller's token at a provider, which goes without saying where there is but one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfSomeProvider {
    pub(crate) provider: Option<Spanned<String>>,
    pub(crate) token: Option<Spanned<WhichToken>>,
}

/// Who acts for the subject.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Actor {
    Caller,
    Upstream(OfProvider),
    /// This server, by a token that lasts.
    Token(Spanned<String>),
}

/// What a token is called in an exchange.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenType {
    AccessToken,
    IdToken,
    Jwt,
}

/// A word, or a list of words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn into_words(self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word],
            Self::More(words) => words,
        }
    }
}

pub(super) use with_token_endpoint;
