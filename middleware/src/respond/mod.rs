//! Errors become HTTP here, and nowhere else.
//!
//! [`RespondLayer`] goes outermost. Whatever error comes out of the layers inside it becomes a response with the
//! right status, an OAuth challenge where one is due, and a fixed sentence: never a token, a claim or another
//! server's words. An operator finds the whole chain in the log, under the correlation id that the answer carries
//! wherever the caller can do nothing about it alone: from 500, and where a rule or AWS refused.
//!
//! | error | status | challenge |
//! |---|---|---|
//! | [`Kind::NoToken`] | 401 | without `error` |
//! | [`Kind::ExpiredToken`], [`Kind::UnacceptableToken`] | 401 | `invalid_token` |
//! | [`Kind::MalformedCredentials`] | 400 | `invalid_request` |
//! | [`Kind::InsufficientScope`] | 403 | `insufficient_scope`, with the scopes that would do |
//! | [`Kind::IssuerUnavailable`] | 503, `Retry-After` | |
//! | tower's `Overloaded` | 503, `Retry-After` | |
//! | tower's `Elapsed` | 504 | |
//! | [`Kind::BodyTooLarge`] | 413 | |
//! | [`Kind::NoRole`], [`Kind::RuleFailed`], [`Kind::RoleRefused`], [`Kind::ClaimRejected`] | 403 | |
//! | [`Kind::IdentityTokenRejected`] | 502 | |
//! | [`Kind::StsCannotReachIssuer`], [`Kind::StsThrottled`], [`Kind::StsUnavailable`] | 503, `Retry-After` | |
//! | [`Kind::UpstreamTokenMissing`], [`Kind::ExchangeRefused`] | 403 | |
//! | [`Kind::InvalidExchangeAnswer`] | 502 | |
//! | [`Kind::UpstreamUnavailable`], [`Kind::ExchangeUnavailable`] | 503, `Retry-After` | |
//! | every other kind, any other error | 500 | |
//!
//! ```
//! use bytes::Bytes;
//! use countersign::respond::RespondLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main] async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .service(service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>(BoxError::from("disk on fire")) }));
//!
//! let response = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
//! # }
//! ```
//!
//! Another format is an implementation of [`Respond`]; what to say is decided already, as an [`Answer`].
//!
//! [`Kind::NoToken`]: crate::Kind::NoToken
//! [`Kind::ExpiredToken`]: crate::Kind::ExpiredToken
//! [`Kind::UnacceptableToken`]: crate::Kind::UnacceptableToken
//! [`Kind::MalformedCredentials`]: crate::Kind::MalformedCredentials
//! [`Kind::InsufficientScope`]: crate::Kind::InsufficientScope
//! [`Kind::IssuerUnavailable`]: crate::Kind::IssuerUnavailable
//! [`Kind::BodyTooLarge`]: crate::Kind::BodyTooLarge
//! [`Kind::NoRole`]: crate::Kind::NoRole
//! [`Kind::RuleFailed`]: crate::Kind::RuleFailed
//! [`Kind::RoleRefused`]: crate::Kind::RoleRefused
//! [`Kind::ClaimRejected`]: crate::Kind::ClaimRejected
//! [`Kind::IdentityTokenRejected`]: crate::Kind::IdentityTokenRejected
//! [`Kind::StsCannotReachIssuer`]: crate::Kind::StsCannotReachIssuer
//! [`Kind::StsThrottled`]: crate::Kind::StsThrottled
//! [`Kind::StsUnavailable`]: crate::Kind::StsUnavailable
//! [`Kind::UpstreamTokenMissing`]: crate::Kind::UpstreamTokenMissing
//! [`Kind::ExchangeRefused`]: crate::Kind::ExchangeRefused
//! [`Kind::InvalidExchangeAnswer`]: crate::Kind::InvalidExchangeAnswer
//! [`Kind::UpstreamUnavailable`]: crate::Kind::UpstreamUnavailable
//! [`Kind::ExchangeUnavailable`]: crate::Kind::ExchangeUnavailable

mod answer;
mod future;
mod layer;
mod oauth;
mod service;

#[cfg(feature = "extract")]
pub(crate) use self::answer::Rewritable;
pub use self::{
    answer::Answer, future::ResponseFuture, layer::RespondLayer, oauth::OAuth, service::RespondService,
};
use http::Response;

/// How an [`Answer`] is written.
///
/// ```
/// use bytes::Bytes;
/// use countersign::respond::{Answer, Respond, RespondLayer};
/// use http::Response;
/// use http_body_util::Full;
///
/// #[derive(Clone)]
/// struct PlainText;
///
/// impl Respond<Full<Bytes>> for PlainText {
///     fn respond(&self, answer: &Answer) -> Response<Full<Bytes>> {
///         let mut response = Response::new(Full::from(answer.sentence()));
///         *response.status_mut() = answer.status();
///         response
///     }
/// }
///
/// let layer = RespondLayer::with(PlainText);
/// ```
pub trait Respond<B> {
    /// The response for `answer`.
    fn respond(&self, answer: &Answer) -> Response<B>;
}
