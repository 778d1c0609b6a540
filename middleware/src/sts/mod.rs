//! Credentials to sign with.
//!
//! [`AssumeRole`] gives each request credentials of its caller's, in the role that was selected, and keeps them for
//! the next request. [`ServiceCredentials`] signs everything as one identity, the server's own.

mod ask;
mod aws;
mod cache;
mod entry;
mod expiry;
mod future;
mod key;
mod layer;
mod observe;
mod partition;
mod problem;
mod provider;
mod refusal;
mod service;
mod service_credentials;
mod session;
mod static_keys;
#[cfg(test)]
mod tests;
mod web_identity;

pub use self::{
    aws::{Sts, StsBuilder},
    cache::{CredentialCache, CredentialCacheBuilder},
    future::ResponseFuture,
    layer::AssumeRoleLayer,
    observe::{Assumed, Call, Event, Observer},
    problem::ConfigError,
    provider::{AssumeStep, CallerProof, CredentialProvider, CredentialRequest, IssuedCredentials},
    refusal::Refusal,
    service::AssumeRole,
    service_credentials::{ServiceCredentials, ServiceCredentialsLayer},
    session::{Session, SessionBuilder},
    static_keys::StaticKeys,
};
