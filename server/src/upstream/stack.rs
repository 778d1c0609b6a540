use super::{
    backend::{Backend, Stack},
    client::client,
};
use crate::config::{
    aws::Aws,
    resolved::{self, Auth},
};
use axum::http::Request;
use bytes::Bytes;
use countersign::{
    CheckService, ServiceBuilderExt,
    proof::{Attached, Carry},
    sts::{CredentialCache, RenewCredentialsLayer},
    transmit::Transmit,
};
use http_body_util::Full;
use std::{io, time::Duration};
use tower::{ServiceBuilder, timeout::TimeoutLayer};

/// How long an answer may take to begin. What it streams after that takes as long as it likes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The stack that leads to a backend.
///
/// # Errors
///
/// When nothing is known to trust in TLS.
pub(crate) fn backend(config: resolved::Backend) -> io::Result<Backend> {
    let resolved::Backend { name, url, auth } = config;
    let stack = match auth {
        Auth::Aws(aws) => signed_as_the_caller(*aws)?,
    };
    Ok(Backend::new(name, url, stack))
}

fn signed_as_the_caller(Aws { target, roles, sts, session }: Aws) -> io::Result<Stack> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .layer(RenewCredentialsLayer::new())
        .select_role(roles)
        .assume_role(&CredentialCache::new(sts), session)
        .sign_request(target)
        .service(Transmit::new(client()?));
    Ok(Stack::new(stack.check::<Request<Carry<Attached, Full<Bytes>>>>()))
}
