//! Which IAM role a caller acts in.
//!
//! [`SelectRole`] asks [`Roles`]: rules in their order, each a condition and a role. The first whose condition
//! is true wins; where none is, there may be a fallback, or the caller is refused. A rule that cannot be
//! decided refuses as well, and never passes on to the next one, unless it says [so](Rule::skip_on_error).
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{
//!     expression::Expression,
//!     identity::{TrustIdentityLayer, TrustedIdentity},
//!     proof::{Attached, Authenticated, AwsRole, Carry, Proves, WithRole},
//!     role::{Roles, Rule, SelectRoleLayer},
//! };
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
//!
//! /// Stands in for `AssumeRole` and all that follows.
//! async fn assume(request: Request<Carry<WithRole<Attached>, Full<Bytes>>>) -> Result<Response<String>, BoxError> {
//!     let role: &AwsRole = request.body().proof().fact();
//!     Ok(Response::new(format!("{} as {}", role.arn(), role.session_name())))
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), BoxError> {
//! let roles = Roles::builder()
//!     .rule(Rule::claim("admins", "arn:aws:iam::123456789012:role/Admin".parse()?))
//!     .rule(Rule::when(
//!         Expression::compile("tool.read_only && 'engineering' in claims.groups")?,
//!         "arn:aws:iam::123456789012:role/Reader".parse()?,
//!     ))
//!     .with_session_name("{claims.email}".parse()?)
//!     .build()?;
//! let backend = ServiceBuilder::new().layer(SelectRoleLayer::new(roles)).service(service_fn(assume));
//!
//! // A handler, behind whatever verified the caller.
//! let handler = service_fn(move |request: Request<Carry<Authenticated, Full<Bytes>>>| {
//!     let (proof, body) = request.into_body().into_parts();
//!     let backend = backend.clone();
//!     async move { backend.oneshot(proof.attach(Request::new(body))?).await }
//! });
//! # let alice = |_: &http::Extensions| Some(TrustedIdentity::new("https://login.example.com", "7").with_claims([
//! #     ("groups".to_owned(), vec!["admins"].into()), ("email".to_owned(), "alice@example.com".into()),
//! # ]));
//! # let service = ServiceBuilder::new().layer(TrustIdentityLayer::new(alice)).service(handler);
//! # let answer = service.oneshot(Request::new(Full::default())).await?;
//! # assert_eq!(answer.body(), "arn:aws:iam::123456789012:role/Admin as alice@example.com");
//! # Ok(()) }
//! ```
//!
//! What conditions may look at is listed at [`Facts`](crate::expression::Facts). [`Roles::warnings`] says what is
//! allowed and probably wrong; [`Roles::explain`] what the rules make of one caller.

mod claim;
mod explain;
mod future;
mod layer;
mod roles;
mod rule;
mod service;
mod session_name;
mod warning;

pub use self::{
    claim::ClaimFormat,
    explain::{Explanation, Refusal, Step, Verdict},
    future::ResponseFuture,
    layer::SelectRoleLayer,
    roles::{InvalidRoles, Roles, RolesBuilder},
    rule::{Rule, RuleError},
    service::SelectRole,
    session_name::{InvalidSessionName, NamelessSession, SessionName},
    warning::Warning,
};
pub use crate::proof::{InvalidRoleArn, RoleArn};
