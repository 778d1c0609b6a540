//! Credentials to sign with.
//!
//! [`AssumeRole`] gives each request credentials of its caller's, in the role that was selected, and keeps them for
//! the next request. [`ServiceCredentials`] signs everything as one identity, the server's own.

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
