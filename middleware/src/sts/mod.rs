//! Credentials to sign with.
//!
//! [`ServiceCredentials`] signs everything as one identity, the server's own. Credentials that belong to each
//! caller follow in `AssumeRole`.

mod service_credentials;
mod static_keys;

pub use self::{
    service_credentials::{ServiceCredentials, ServiceCredentialsLayer},
    static_keys::StaticKeys,
};
