//! Tokens for one backend, made of tokens for another: RFC 8693.
//!
//! [`ExchangeToken`] shows an authorization server the caller's own token, or one that [`ResolveTokens`] found, and gets
//! one for the backend in return: the fact [`BackendToken`](crate::proof::BackendToken), which
//! [`AttachToken`](crate::attach::AttachToken) puts onto the request. Tokens are kept until shortly before they end, and
//! never for longer than what they were made of; any number of requests cause one exchange.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     attach::AttachTokenLayer,
//!     exchange::{CallersToken, Exchange, ExchangeTokenLayer, RetryUnauthorizedLayer},
//!     outgoing::Payload,
//!     proof::{Attached, Carry},
//!     token_endpoint::{ClientAuthentication, TokenEndpoint},
//!     transmit::Transmit,
//! };
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::ServiceBuilder;
//!
//! let login = TokenEndpoint::new(
//!     "https://login.example.com/oauth2/token",
//!     ClientAuthentication::basic("gateway", "secret".into()),
//! );
//! let exchange = Exchange::builder(login, CallersToken::new()).with_audience("https://reports.example.com").build()?;
//!
//! let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
//! let backend = ServiceBuilder::new()
//!     .layer(RetryUnauthorizedLayer::new())
//!     .layer(ExchangeTokenLayer::new(exchange))
//!     .layer(AttachTokenLayer::exchanged())
//!     .service(Transmit::new(client));
//! # fn takes<S: tower::Service<Request<Carry<Attached, Full<Bytes>>>>>(_: S) {}
//! # takes(backend);
//! # Ok::<(), countersign::token_endpoint::ConfigError>(())
//! ```
//!
//! | what happens | kind |
//! |---|---|
//! | the server refuses: `invalid_target`, `invalid_request`, `invalid_scope`, `invalid_grant` | [`ExchangeRefused`](crate::Kind::ExchangeRefused) |
//! | it does not know us, or does not let us exchange | [`ExchangeClientRefused`](crate::Kind::ExchangeClientRefused) |
//! | it answers with another kind of token, with the one it was shown, or with none | [`InvalidExchangeAnswer`](crate::Kind::InvalidExchangeAnswer) |
//! | it cannot be reached, answers 5xx or 429, also when asked again | [`ExchangeUnavailable`](crate::Kind::ExchangeUnavailable) |
//!
//! Where two organisations trust the same identity provider, [`IdJag`] goes there in two steps: the provider asserts who
//! the person is, and the backend's own authorization server issues the token for that assertion.
//!
//! [`ResolveTokens`]: crate::tokens::ResolveTokens

mod assertion;
mod builder;
mod cache;
mod future;
mod kind;
mod layer;
mod retry;
mod service;
mod subject;
mod work;

pub use self::{
    builder::{Exchange, ExchangeBuilder, IdJag},
    future::ResponseFuture,
    kind::TokenKind,
    layer::ExchangeTokenLayer,
    retry::{RetryFuture, RetryUnauthorized, RetryUnauthorizedLayer},
    service::ExchangeToken,
    subject::{Actor, CallersToken, Subject, UpstreamsToken},
};
