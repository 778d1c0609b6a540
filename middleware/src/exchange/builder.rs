use super::{
    cache::Cache,
    kind::TokenKind,
    subject::{Actor, sealed::Sealed},
    work::{Asserted, Terms},
};
use crate::{
    clock::{Clock, SystemClock},
    token_endpoint::{ConfigError, TokenEndpoint, is_scope},
};
use std::sync::Arc;
use url::Url;

/// How a backend's tokens are had, and those that were. Clones share them.
///
/// One of these belongs to one backend: what it asks for is the same each time, but for whose token it is.
///
/// ```
/// use countersign::{
///     exchange::{Exchange, UpstreamsToken},
///     token_endpoint::{ClientAuthentication, TokenEndpoint},
/// };
///
/// let login = TokenEndpoint::new("https://login.example.com/token", ClientAuthentication::public("gateway"));
/// let error = Exchange::builder(login, UpstreamsToken::access_token("corp"))
///     .with_scopes(["read write"])
///     .build()
///     .unwrap_err();
/// assert_eq!(error.problems(), [r#"scope "read write": is none; name each one by itself, without spaces or quotes"#]);
/// ```
#[derive(Clone, Debug)]
pub struct Exchange<J> {
    pub(super) subject: J,
    pub(super) actor: Option<Actor>,
    pub(super) cache: Cache,
}

/// Puts an [`Exchange`] together.
#[derive(Clone, Debug)]
pub struct ExchangeBuilder<J> {
    endpoint: TokenEndpoint,
    subject: J,
    actor: Option<Actor>,
    audiences: Vec<String>,
    resources: Vec<String>,
    scopes: Vec<String>,
    requested: Option<TokenKind>,
    id_jag: Option<IdJag>,
    capacity: u64,
    clock: Arc<dyn Clock>,
}

/// Enterprise-managed authorization: an identity provider that both organisations trust asserts who the person is
/// (ID-JAG, by RFC 8693), and the backend's own authorization server issues a token for that assertion (RFC 7523).
///
/// ```
/// use countersign::{
///     exchange::{Exchange, IdJag, UpstreamsToken},
///     token_endpoint::{ClientAuthentication, TokenEndpoint},
/// };
///
/// let corp = TokenEndpoint::new(
///     "https://login.example.com/token",
///     ClientAuthentication::basic("gateway", "secret".into()),
/// );
/// let wiki = TokenEndpoint::new(
///     "https://auth.wiki.example/token",
///     ClientAuthentication::basic("example-com-gateway", "secret".into()),
/// );
/// let exchange = Exchange::builder(corp, UpstreamsToken::id_token("corp"))
///     .with_scopes(["pages:read"])
///     .by_assertion(IdJag {
///         asserted_by: "https://login.example.com".into(),
///         authorization_server: "https://auth.wiki.example".into(),
///         resource: "https://mcp.wiki.example/mcp".into(),
///         token_endpoint: wiki,
///     })
///     .build()?;
/// # Ok::<(), countersign::token_endpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdJag {
    /// The identity provider, as it stands in the assertion's `iss`.
    pub asserted_by: String,
    /// The backend's authorization server, as it stands in the assertion's `aud`.
    pub authorization_server: String,
    /// What the token is for: the address of the backend.
    pub resource: String,
    /// Where the assertion is redeemed, and who we are there. That client is the one that the assertion has to name.
    pub token_endpoint: TokenEndpoint,
}

impl<J: Sealed> Exchange<J> {
    /// Exchanges `subject` at `endpoint`.
    pub fn builder(endpoint: TokenEndpoint, subject: J) -> ExchangeBuilder<J> {
        ExchangeBuilder {
            endpoint,
            subject,
            actor: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            requested: None,
            id_jag: None,
            capacity: 10_000,
            clock: Arc::new(SystemClock),
        }
    }

    /// How many tokens are kept, approximately.
    pub fn entries(&self) -> u64 {
        self.cache.entries()
    }
}

impl<J: Sealed> ExchangeBuilder<J> {
    /// Names who acts for the subject.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// By which name the authorization server knows the backend (`audience`). There may be several.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// At which address the backend is (`resource`, RFC 8707). There may be several.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// What the token is to allow.
    #[must_use]
    pub fn with_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Asks for this kind of token, instead of an access token, and takes no other.
    #[must_use]
    pub fn with_requested_kind(mut self, kind: TokenKind) -> Self {
        self.requested = Some(kind);
        self
    }

    /// Goes by an identity assertion. Audience, resource and the kind that is asked for are then the assertion's.
    #[must_use]
    pub fn by_assertion(mut self, id_jag: IdJag) -> Self {
        self.id_jag = Some(id_jag);
        self
    }

    /// How many tokens are kept (10,000). The one that was used longest ago goes first.
    #[must_use]
    pub fn with_capacity(mut self, tokens: u64) -> Self {
        self.capacity = tokens;
        self
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The exchange.
    ///
    /// # Errors
    ///
    /// Everything that cannot work, at once.
    pub fn build(self) -> Result<Exchange<J>, ConfigError> {
        let mut problems = self.problems();
        let endpoint = self.endpoint.resolve("the token service", self.clock.clone());
        let redeeming = match &self.id_jag {
            None => Ok(None),
            Some(id_jag) => {
                let what = "the backend's authorization server";
                id_jag.token_endpoint.clone().resolve(what, self.clock.clone()).map(Some)
            }
        };
        match (endpoint, redeeming) {
            (Ok(endpoint), Ok(redeeming)) if problems.is_empty() => {
                let asserted = self.id_jag.zip(redeeming).map(|(id_jag, endpoint)| Asserted {
                    issuer: id_jag.asserted_by,
                    audience: id_jag.authorization_server,
                    resource: id_jag.resource,
                    endpoint,
                });
                let terms = Terms {
                    endpoint,
                    audiences: self.audiences,
                    resources: self.resources,
                    scope: (!self.scopes.is_empty()).then(|| self.scopes.join(" ")),
                    requested: self.requested.unwrap_or(TokenKind::AccessToken),
                    asserted,
                };
                let cache = Cache::new(terms, self.capacity, self.clock);
                Ok(Exchange { subject: self.subject, actor: self.actor, cache })
            }
            (endpoint, redeeming) => {
                problems.extend([endpoint.err(), redeeming.err()].into_iter().flatten().flatten());
                Err(ConfigError::all(problems))
            }
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for scope in self.scopes.iter().filter(|scope| !is_scope(scope)) {
            problems
                .push(format!("scope {scope:?}: is none; name each one by itself, without spaces or quotes"));
        }
        if self.audiences.iter().any(String::is_empty) {
            problems.push("audience: is empty; name the backend as the token service does".to_owned());
        }
        for resource in self.resources.iter().chain(self.id_jag.as_ref().map(|id_jag| &id_jag.resource)) {
            if Url::parse(resource).map_or(true, |url| url.fragment().is_some()) {
                let hint = "write it as https://host/path, without a fragment";
                problems.push(format!("resource {resource:?}: is no address; {hint}"));
            }
        }
        if self.requested == Some(TokenKind::IdToken) {
            problems
                .push("requested kind: an ID token is for no backend; ask for an access token".to_owned());
        }
        if self.subject.provider() == Some("") {
            problems
                .push("subject: the provider has no name; name the one whose token is exchanged".to_owned());
        }
        let Some(id_jag) = &self.id_jag else { return problems };
        if self.subject.kind() != TokenKind::IdToken {
            problems.push(
                "subject: only an ID token is exchanged for an assertion; name a provider's".to_owned(),
            );
        }
        if !self.audiences.is_empty() || !self.resources.is_empty() || self.requested.is_some() {
            let what = "audience, resource or kind: are those of the assertion";
            problems.push(format!("{what}; name them in `IdJag` alone"));
        }
        for (name, value) in
            [("asserted_by", &id_jag.asserted_by), ("authorization_server", &id_jag.authorization_server)]
        {
            if Url::parse(value).is_err() {
                problems.push(format!("{name} {value:?}: is no issuer; write it as it stands in its tokens"));
            }
        }
        problems
    }
}
