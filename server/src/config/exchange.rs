//! Tokens that are exchanged for a backend's.

use super::{
    diagnostic::Findings,
    providers::Known,
    raw::{self, OneOrMore, TokenType, WhichToken},
    secret::resolve_secret,
    token_endpoint::{complain, resolve_endpoint},
};
use axum::http::Uri;
use countersign::{
    exchange::{Actor, CallersToken, Exchange, ExchangeBuilder, IdJag, Subject, TokenKind, UpstreamsToken},
    proof::{Attached, WithTokens},
    token_endpoint::TokenEndpoint,
    tokens::Need,
};
use serde_saphyr::{Location, Spanned};
use std::sync::Arc;

/// Whose token is exchanged, and what has to be looked up for that.
#[derive(Debug)]
pub(crate) enum TokenExchange {
    /// The caller's own, and nothing is looked up.
    Caller(Exchange<CallersToken>),
    /// The caller's own, shown together with another of theirs.
    CallerWith(Exchange<CallersToken>, Vec<Need>),
    /// The caller's at a provider.
    Upstream(Exchange<UpstreamsToken>, Vec<Need>),
}

impl TokenExchange {
    /// Whether a caller has to have connected an account.
    pub(super) const fn needs_accounts(&self) -> bool {
        match self {
            Self::Caller(_) => false,
            Self::CallerWith(..) | Self::Upstream(..) => true,
        }
    }
}

pub(super) fn resolve_exchange(
    raw: Spanned<raw::TokenExchange>,
    known: &Known,
    findings: &mut Findings,
) -> Option<TokenExchange> {
    let Spanned { value: raw, referenced, .. } = raw;
    let endpoint = resolve_endpoint(raw.endpoint(), None, findings);
    let raw::TokenExchange {
        subject, subject_type, actor, audience, resource, scope, requested_type, ..
    } = raw;
    let mut needs = Vec::new();
    let actor = actor.map(|actor| resolve_actor(actor, known, &mut needs, findings));
    let asked = Asked { audience, resource, scope, requested_type, place: referenced };
    match subject {
        raw::Subject::Caller => {
            let token = CallersToken::new();
            let token = subject_type.map_or(token, |kind| token.called(kind_of(kind.value)));
            let exchange = asked.of(endpoint?, token, transposed(actor)?, findings)?;
            Some(if needs.is_empty() {
                TokenExchange::Caller(exchange)
            } else {
                TokenExchange::CallerWith(exchange, needs)
            })
        }
        raw::Subject::Upstream(of) => {
            if let Some(kind) = subject_type {
                let remedy = "remove it; `token: access` or `token: id` says which of the provider's it is";
                findings.error(kind.referenced, "`subject_type` is about a caller's own token", remedy);
            }
            let raw::OfSomeProvider { provider, token } = of.value;
            let provider = match &provider {
                Some(named) => known.provider(named, findings),
                None => known.only(of.referenced, findings),
            };
            let token = provider.map(|provider| of_provider(provider, token.as_ref(), &mut needs));
            let exchange = asked.of(endpoint?, token?, transposed(actor)?, findings)?;
            Some(TokenExchange::Upstream(exchange, needs))
        }
    }
}

pub(super) fn resolve_id_jag(
    raw: Spanned<raw::IdJag>,
    backend: Option<&Uri>,
    known: &Known,
    findings: &mut Findings,
) -> Option<TokenExchange> {
    let Spanned { value: raw, referenced, .. } = raw;
    let redeeming = resolve_endpoint(raw.endpoint(), None, findings);
    let raw::IdJag { provider, asserted_by, authorization_server, resource, scope, .. } = raw;
    let (named, provider) = (provider.referenced, known.provider(&provider, findings)?);
    let Some(asserting) = known.endpoint(&provider) else {
        let what = format!("nothing says where `{provider}` gives assertions");
        findings.error(named, what, "add `token_url: https://…` to that upstream");
        return None;
    };
    let id_jag = IdJag {
        asserted_by: asserted_by.value,
        authorization_server: authorization_server.value,
        resource: resource.map_or_else(|| backend.map(Uri::to_string), |resource| Some(resource.value))?,
        token_endpoint: redeeming?,
    };
    let exchange = Exchange::builder(asserting, UpstreamsToken::id_token(provider.clone()))
        .with_scopes(words(scope))
        .by_assertion(id_jag)
        .build();
    let exchange = exchange.map_err(|error| complain(&error, referenced, findings)).ok()?;
    Some(TokenExchange::Upstream(exchange, vec![Need::id_token(provider)]))
}

/// What is asked for, whoever it is for.
struct Asked {
    audience: Option<Spanned<OneOrMore>>,
    resource: Option<Spanned<OneOrMore>>,
    scope: Option<Spanned<OneOrMore>>,
    requested_type: Option<TokenType>,
    place: Location,
}

impl Asked {
    fn of<J: Subject<WithTokens<Attached>>>(
        self,
        endpoint: TokenEndpoint,
        subject: J,
        actor: Option<Actor>,
        findings: &mut Findings,
    ) -> Option<Exchange<J>> {
        let builder = Exchange::builder(endpoint, subject).with_scopes(words(self.scope));
        let builder = words(self.audience).into_iter().fold(builder, ExchangeBuilder::with_audience);
        let builder = words(self.resource).into_iter().fold(builder, ExchangeBuilder::with_resource);
        let builder = actor.into_iter().fold(builder, ExchangeBuilder::with_actor);
        let kind = self.requested_type.map(kind_of);
        let builder = kind.into_iter().fold(builder, ExchangeBuilder::with_requested_kind);
        builder.build().map_err(|error| complain(&error, self.place, findings)).ok()
    }
}

fn resolve_actor(
    raw: Spanned<raw::Actor>,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<Actor> {
    match raw.value {
        raw::Actor::Caller => Some(Actor::caller(CallersToken::new())),
        raw::Actor::Upstream(of) => resolve_upstreams(&of, known, needs, findings).map(Actor::upstream),
        raw::Actor::Token(reference) => {
            resolve_secret(&reference, findings).map(|token| Actor::fixed(token, TokenKind::AccessToken))
        }
    }
}

fn resolve_upstreams(
    raw: &raw::OfProvider,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<UpstreamsToken> {
    let provider = known.provider(&raw.provider, findings)?;
    Some(of_provider(provider, raw.token.as_ref(), needs))
}

fn of_provider(
    provider: Arc<str>,
    token: Option<&Spanned<WhichToken>>,
    needs: &mut Vec<Need>,
) -> UpstreamsToken {
    let (need, token) = match token.map(|token| token.value) {
        Some(WhichToken::Id) => (Need::id_token(provider.clone()), UpstreamsToken::id_token(provider)),
        Some(WhichToken::Access) | None => {
            (Need::access_token(provider.clone()), UpstreamsToken::access_token(provider))
        }
    };
    if !needs.contains(&need) {
        needs.push(need);
    }
    token
}

fn kind_of(raw: TokenType) -> TokenKind {
    match raw {
        TokenType::AccessToken => TokenKind::AccessToken,
        TokenType::IdToken => TokenKind::IdToken,
        TokenType::Jwt => TokenKind::Jwt,
    }
}

fn words(raw: Option<Spanned<OneOrMore>>) -> Vec<String> {
    raw.map(|words| words.value.into_words()).unwrap_or_default()
}

/// The outer `None` is a mistake that was told.
fn transposed<T>(optional: Option<Option<T>>) -> Option<Option<T>> {
    optional.map_or(Some(None), |inner| inner.map(Some))
}
