//! The caller's tokens at other providers.
//!
//! [`ResolveTokens`] asks a [`TokenSource`] for the tokens that one backend needs, and for no others: trouble with one
//! provider never fails a request to a backend of another. What it finds is the fact
//! [`UpstreamTokens`](crate::proof::UpstreamTokens), from which roles are selected, tokens exchanged, or one attached.
//!
//! ```
//! use countersign::{
//!     proof::{Attached, Carry, Proves, UpstreamToken, UpstreamTokens},
//!     tokens::{Refusal, ResolveTokensLayer, TokenRequest, TokenSource},
//! };
//! use http::Request;
//! use std::{collections::HashMap, future::{Ready, ready}};
//! use tower::{service_fn, BoxError, ServiceBuilder};
//!
//! /// Tokens that were put here by hand, by subject.
//! #[derive(Debug)]
//! struct Known(HashMap<String, UpstreamToken>);
//!
//! impl TokenSource for Known {
//!     type Future = Ready<Result<UpstreamToken, Refusal>>;
//!
//!     fn token(&self, request: TokenRequest) -> Self::Future {
//!         let found = self.0.get(request.caller().subject()).cloned();
//!         ready(found.ok_or_else(|| Refusal::missing("nobody put one here")))
//!     }
//! }
//!
//! async fn call<P: Proves<UpstreamTokens>>(request: Request<Carry<P, ()>>) -> Result<bool, BoxError> {
//!     Ok(request.body().proof().fact().of("github").is_some())
//! }
//!
//! let source = Known(HashMap::new());
//! let stack = ServiceBuilder::new()
//!     .layer(ResolveTokensLayer::new(source, ["github"]))
//!     .service(service_fn(call));
//! # fn takes<S: tower::Service<Request<Carry<Attached, ()>>>>(_: S) {}
//! # takes(stack);
//! ```
//!
//! A missing token is [`Kind::UpstreamTokenMissing`](crate::Kind::UpstreamTokenMissing), with the provider's
//! [name](crate::Error::provider): the person has to connect the account there. It is never a 401, because the caller's
//! own token is good.
//!
//! [`StoredTokens`] is a source over a store of one's own, which renews tokens before they end, and spends a refresh
//! token once, however many processes share the store.

mod future;
mod layer;
mod service;
mod source;
mod stored;

pub use self::{
    future::ResponseFuture,
    layer::{Need, ResolveTokensLayer},
    service::ResolveTokens,
    source::{TokenRequest, TokenSource},
    stored::{
        Account, Connection, Finding, Lease, OAuthCodes, OAuthRefresh, Refresh, RefreshFailure, Refreshed,
        StoredTokens, StoredTokensBuilder, TokenStore, Unredeemed, Written,
    },
};
pub use crate::refusal::Refusal;
