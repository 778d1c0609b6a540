//! Credentials to sign with.
//!
//! [`AssumeRole`] gives each request credentials of its caller's, in the role that was selected. They are made once,
//! however many requests wait for them, kept for the next ones, and renewed before they end. [`ServiceCredentials`]
//! signs everything as one identity, the service's own.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     BoxError, ServiceBuilderExt,
//!     identity::{TrustIdentityLayer, TrustedIdentity},
//!     outgoing::Payload,
//!     proof::{Authenticated, Carry},
//!     role::Roles,
//!     sign::SigningTarget,
//!     sts::{CredentialCache, CredentialProvider, CredentialRequest, IssuedCredentials, Refusal, Session},
//!     transmit::Transmit,
//! };
//! use http::{Request, Response, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use std::time::{Duration, UNIX_EPOCH};
//! use tower::{service_fn, ServiceBuilder, ServiceExt};
//!
//! /// Stands in for [`Sts`](countersign::sts::Sts), which is `Sts::in_region("eu-west-1")?`.
//! #[derive(Debug)]
//! struct StandIn;
//!
//! impl CredentialProvider for StandIn {
//!     async fn provide(&self, request: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
//!         let id = format!("ASIA-{}", request.first().session_name());
//!         let expires = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
//!         Ok(IssuedCredentials::new(id, "secret".into(), "session".into(), expires))
//!     }
//! }
//!
//! /// Stands in for a client of hyper-util.
//! async fn send(request: Request<Payload<Full<Bytes>>>) -> Result<Response<String>, BoxError> {
//!     Ok(Response::new(request.headers()[AUTHORIZATION].to_str()?.to_owned()))
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), BoxError> {
//! let roles = Roles::builder()
//!     .with_fallback("arn:aws:iam::123456789012:role/McpUser".parse()?)
//!     .with_session_name("{sub}".parse()?)
//!     .build()?;
//! let cache = CredentialCache::new(StandIn); // one for all backends
//! let backend = ServiceBuilder::new()
//!     .select_role(roles)
//!     .assume_role(&cache, Session::default())
//!     .sign_request(SigningTarget::new("execute-api", "eu-west-1")?)
//!     .service(Transmit::dangerous_over(service_fn(send)));
//!
//! // A handler, behind whatever verified the caller.
//! let handler = service_fn(move |request: Request<Carry<Authenticated, Full<Bytes>>>| {
//!     let (proof, body) = request.into_body().into_parts();
//!     let backend = backend.clone();
//!     async move {
//!         let request = Request::post("https://abc.execute-api.eu-west-1.amazonaws.com/v1").body(body)?;
//!         backend.oneshot(proof.attach(request)?).await
//!     }
//! });
//! # let alice = |_: &http::Extensions| Some(TrustedIdentity::new("https://login.example.com", "alice")
//! #     .with_token("eyJhbGciOiJSUzI1NiJ9.e30.c2ln".into()));
//! # let service = ServiceBuilder::new().layer(TrustIdentityLayer::new(alice)).service(handler);
//! # let answer = service.oneshot(Request::new(Full::default())).await?;
//! # assert!(answer.body().contains("Credential=ASIA-alice/"));
//! # Ok(()) }
//! ```
//!
//! [`Session`] says what STS is shown: the caller's own token, one that another provider issued to the caller, one that is
//! minted for this, or nothing of the caller's, where the service assumes the role itself in the caller's name. It also says
//! what STS is told besides: duration, policies, tags, source identity, further roles.
//!
//! Whatever STS is told belongs to the key that credentials are kept under, so nobody is given those of another caller, or
//! of the same caller under other conditions. A token that is refused fails its owner only; an STS that is down is left
//! alone, and what is still good is used meanwhile.

mod ambient;
mod ask;
mod aws;
mod cache;
mod entry;
mod expiry;
mod future;
mod hop;
mod key;
mod layer;
mod limits;
mod mint;
mod observe;
mod partition;
mod problem;
mod provider;
mod refusal;
mod renew;
mod service;
mod service_credentials;
mod service_identity;
mod session;
mod static_keys;
mod step;
#[cfg(test)]
mod tests;
mod value;
mod view;
mod web_identity;

pub use self::{
    ambient::Ambient,
    aws::{Sts, StsBuilder},
    cache::{CredentialCache, CredentialCacheBuilder},
    future::ResponseFuture,
    hop::Hop,
    layer::AssumeRoleLayer,
    mint::{MintOrder, TokenMinter},
    observe::{Assumed, Call, Event, Observer},
    problem::ConfigError,
    provider::{AssumeStep, CallerProof, CredentialProvider, CredentialRequest, IssuedCredentials},
    refusal::Refusal,
    renew::{RenewCredentials, RenewCredentialsLayer, RenewFuture},
    service::AssumeRole,
    service_credentials::{ServiceCredentials, ServiceCredentialsLayer},
    service_identity::ServiceIdentity,
    session::{Session, SessionBuilder, Upstream},
    static_keys::StaticKeys,
    step::{SessionPolicy, SessionTag},
    value::SessionValue,
};
