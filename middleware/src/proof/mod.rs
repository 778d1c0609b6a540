//! What has been established about a request, carried in its type.
//!
//! A request on its way out is a `Request<Carry<P, B>>`: `B` is its body, `P` the **proof** of what the layers
//! it went through established. A layer that needs a fact asks for it by trait bound, `P: Proves<AwsRole>`, and
//! a layer that establishes one calls its inner service with a longer proof, [`WithRole<P>`](WithRole). A layer
//! in the wrong place does not compile.
//!
//! | fact | established by | stage |
//! |---|---|---|
//! | [`Identity`] | `VerifyIdentity` or `TrustIdentity` | [`Authenticated`] |
//! | [`UpstreamTokens`] | `ResolveTokens` | [`WithTokens`] |
//! | [`BackendToken`] | `ExchangeToken` | [`WithBackendToken`] |
//! | [`AwsRole`] | `SelectRole` | [`WithRole`] |
//! | [`AwsCredentials`] | `AssumeRole` or `ServiceCredentials` | [`WithCredentials`] |
//!
//! Facts and stages have no public constructor, and nobody else's type is a [`Stage`]: outside this crate nobody
//! makes a proof, so holding one means that the layer ran. A request that goes *out* begins with
//! [`Authenticated::attach`], which leaves the caller's own headers behind; outbound layers ask for that by the bound
//! [`Outbound`].
//!
//! ```
//! use countersign::proof::{Carry, Identity, Proves};
//! use http::Request;
//!
//! /// Compiles only behind a layer that establishes who is calling.
//! fn greet<P: Proves<Identity>, B>(request: &Request<Carry<P, B>>) -> String {
//!     format!("hello {}", request.body().proof().fact().subject())
//! }
//! ```
//!
//! Layers that keep the body's type (timeouts, limits, traces, headers) go in between unchanged. A layer that
//! changes it goes outside, or uses [`Carry::map_body`].

mod attach;
mod carry;
mod credentials;
mod identity;
mod operation;
mod role;
mod role_arn;
mod stages;
mod tokens;

#[cfg_attr(
    not(any(feature = "identity", test)),
    expect(unused_imports, reason = "layers make identities")
)]
pub(crate) use self::identity::IdentityParts;
pub use self::{
    attach::ForwardHeaders,
    carry::Carry,
    credentials::AwsCredentials,
    identity::{Actor, Identity},
    operation::{Operation, Tool},
    role::AwsRole,
    role_arn::{InvalidRoleArn, RoleArn},
    stages::{
        Attached, Authenticated, NoCaller, Outbound, Proves, Roleless, Stage, Uncredentialed,
        WithBackendToken, WithCredentials, WithRole, WithTokens,
    },
    tokens::{BackendToken, UpstreamToken, UpstreamTokens},
};
