//! A token, or fixed headers, on the request: the last thing that happens to it.
//!
//! [`AttachToken`] puts the one token there that an earlier layer established, and [`AttachHeaders`] what a
//! configuration says. Both hand on an [`Outgoing`](crate::outgoing::Outgoing), which nothing can change any more, and
//! pass the body on as it comes.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     attach::{AttachHeadersLayer, FixedHeaders},
//!     outgoing::Payload,
//!     proof::{ForwardHeaders, NoCaller},
//!     transmit::Transmit,
//! };
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
//!
//! /// Stands in for a client of hyper-util.
//! async fn send(request: Request<Payload<Full<Bytes>>>) -> Result<Response<bool>, BoxError> {
//!     Ok(Response::new(request.headers()["x-api-key"] == "sesame"))
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), BoxError> {
//! let headers = FixedHeaders::builder().with("x-api-key", "sesame".into()).build()?;
//! let stack = ServiceBuilder::new()
//!     .layer(AttachHeadersLayer::new(headers))
//!     .service(Transmit::dangerous_over(service_fn(send)));
//!
//! let request = Request::post("https://reports.example.com/v1").body(Full::from("{}"))?;
//! assert!(stack.oneshot(NoCaller::attach(request, &ForwardHeaders::default())).await?.into_body());
//! # Ok(()) }
//! ```
//!
//! Nothing is replaced silently: a request that has the header already is refused, and so is one with a secret for an
//! address that is not https, this machine excepted. What a client may decide by itself is another matter:
//! [`ForwardHeaders`](crate::proof::ForwardHeaders) names the headers of its own that go along, backend by backend.

mod address;
mod finish;
mod fixed;
mod future;
mod headers;
mod token;

pub use self::{
    fixed::{FixedHeaders, FixedHeadersBuilder, InvalidHeaders},
    future::ResponseFuture,
    headers::{AttachHeaders, AttachHeadersLayer},
    token::{AttachToken, AttachTokenLayer, Exchanged, TokenOf, Upstream},
};
