//! Who is calling: verified once, then carried as a type.
//!
//! [`VerifyIdentity`] takes the bearer token off a request, verifies it against the issuers it trusts, and hands
//! the request on with the [proof](crate::proof) of who is calling. A token that was verified before costs a
//! lookup; keys are fetched in the background and kept while the issuer is down; every refusal is an
//! [`Error`](crate::Error) whose kind says which.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     identity::{Issuer, LocalKeys, Verifier, VerifyIdentityLayer},
//!     proof::{Authenticated, Carry, Identity, Proves},
//!     Kind,
//! };
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
//!
//! async fn greet(request: Request<Carry<Authenticated, Full<Bytes>>>) -> Result<Response<String>, BoxError> {
//!     let caller: &Identity = request.body().proof().fact();
//!     Ok(Response::new(format!("hello {}", caller.subject())))
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), BoxError> {
//! # let jwks = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let verifier = Verifier::builder()
//!     .trust(Issuer::new("https://login.example.com", "https://api.example.com").with_keys(LocalKeys::parse(jwks)?))
//!     .build()?;
//!
//! let service = ServiceBuilder::new().layer(VerifyIdentityLayer::new(verifier)).service(service_fn(greet));
//!
//! let refused = service.oneshot(Request::new(Full::default())).await.unwrap_err();
//! let refused = refused.downcast::<countersign::Error>()?;
//! assert_eq!(refused.kind(), Kind::NoToken);
//! # Ok(()) }
//! ```
//!
//! In an axum router, where the body's type is given, use [`VerifyIdentityLayer::for_router`]; the proof is then
//! found in the request's extensions, and by the extractors in [`extract`](crate::extract).
//!
//! Whoever verifies callers in some other way keeps it, and turns the result into a proof with
//! [`TrustIdentity`].

mod bearer;
mod claims;
mod discovery;
mod future;
mod handover;
mod introspection;
mod issuer;
mod key;
mod key_set;
mod layer;
mod memory;
mod problem;
mod remote_keys;
mod service;
mod token;
mod trust;
mod verifier;

#[cfg(feature = "extract")]
pub(crate) use self::service::Anonymous;
pub use self::{
    future::{ResponseFuture, RouterFuture},
    introspection::Introspection,
    issuer::Issuer,
    key::Algorithm,
    key_set::LocalKeys,
    layer::{VerifyIdentityForRouterLayer, VerifyIdentityLayer},
    problem::ConfigError,
    service::{VerifyIdentity, VerifyIdentityForRouter},
    trust::{TrustIdentity, TrustIdentityForRouterLayer, TrustIdentityLayer, TrustedIdentity},
    verifier::{Revocations, Verifier, VerifierBuilder},
};
