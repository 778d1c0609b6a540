//! AWS Signature Version 4: the last thing that happens to a request.
//!
//! [`SignRequest`] reads the body to its end, signs the request with the credentials that a layer before it
//! established, and hands on an [`Outgoing`](crate::outgoing::Outgoing), which nothing can change any more.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     outgoing::Payload,
//!     proof::{Carry, ForwardHeaders, NoCaller},
//!     sign::{SignRequestLayer, SigningTarget},
//!     sts::{ServiceCredentialsLayer, StaticKeys},
//!     transmit::Transmit,
//! };
//! use http::{Request, Response, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
//!
//! /// Stands in for a client of hyper-util.
//! async fn send(request: Request<Payload<Full<Bytes>>>) -> Result<Response<bool>, BoxError> {
//!     Ok(Response::new(request.headers()[AUTHORIZATION].to_str()?.starts_with("AWS4-HMAC-SHA256 ")))
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), BoxError> {
//! let stack = ServiceBuilder::new()
//!     .layer(ServiceCredentialsLayer::new(StaticKeys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into())))
//!     .layer(SignRequestLayer::new(SigningTarget::new("execute-api", "eu-west-1")?))
//!     .service(Transmit::dangerous_over(service_fn(send)));
//!
//! let request = Request::post("https://abc.execute-api.eu-west-1.amazonaws.com/v1/things").body(Full::from("{}"))?;
//! let signed = stack.oneshot(NoCaller::attach(request, &ForwardHeaders::default())).await?;
//! assert!(signed.into_body());
//! # Ok(()) }
//! ```
//!
//! Only `host`, `content-type` and every `x-amz-*` header are signed unless [`SignedHeaders`] says otherwise, so that what
//! proxies on the way do to others does no harm. Whatever an earlier hop signed is taken off. A request to anything but
//! https is refused, loopback excepted. Every attempt of a retry, which stands outside, is signed anew.
//!
//! The body is hashed while it arrives, and is in memory once. Whom to sign for is told by the host
//! ([`SigningTarget::of_host`]) or by name. A clock that is wrong is corrected by [`CorrectClock`], outside
//! [`SignRequest`]. Without tower, and for addresses that are signed in their query, there is the [`Signer`].
//!
//! # Two engines
//!
//! What two signatures have in common is computed once and kept with the credentials: the day's key, the second's string
//! to sign, and the canonical request up to the payload's hash. That takes no lock, and a signature costs little more
//! than the hashing of what is new in it. A request that is not of the common form is handed over to aws-sigv4, which
//! is counted ([`Signer::handed_over`]); both sign alike, to the byte. What is kept is overwritten when it is dropped.

mod address;
mod agentcore;
mod body;
mod canonical;
#[cfg(feature = "sign-events")]
mod events;
mod future;
mod headers;
mod hosts;
mod keys;
mod layer;
mod payload;
mod prepared;
mod reference;
mod service;
mod sha;
mod signer;
mod skew;
mod target;
mod time;

#[cfg(feature = "sign-events")]
pub use self::events::EventSigner;
pub use self::{
    agentcore::{AgentRuntime, AgentUser, AgentUserFuture, AgentUserLayer, InvalidAgentRuntime},
    future::ResponseFuture,
    headers::SignedHeaders,
    hosts::UnknownHost,
    keys::Keys,
    layer::SignRequestLayer,
    payload::{PayloadHash, PayloadHasher, SignedPayload},
    service::SignRequest,
    signer::{Engine, Signer},
    skew::{CorrectClock, CorrectClockLayer, CorrectedClock, CorrectedFuture, Examined},
    target::{InvalidTarget, SigningTarget},
};
