use super::StaticKeys;
use crate::proof::{AwsCredentials, Carry, Outbound, WithCredentials};
use http::Request;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`ServiceCredentials`].
///
/// See [`sign`](crate::sign) for an example.
#[derive(Clone, Debug)]
pub struct ServiceCredentialsLayer {
    credentials: AwsCredentials,
}

/// Establishes one identity's credentials for every request, whoever makes it and even if nobody does.
#[derive(Clone, Debug)]
pub struct ServiceCredentials<S> {
    inner: S,
    credentials: AwsCredentials,
}

impl ServiceCredentialsLayer {
    /// Signs as the holder of `keys`.
    pub fn new(keys: StaticKeys) -> Self {
        Self { credentials: keys.into_credentials() }
    }
}

impl<S> Layer<S> for ServiceCredentialsLayer {
    type Service = ServiceCredentials<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServiceCredentials { inner, credentials: self.credentials.clone() }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for ServiceCredentials<S>
where
    P: Outbound,
    S: Service<Request<Carry<WithCredentials<P>, B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> S::Future {
        self.inner.call(request.map(|carry| {
            let (proof, body) = carry.into_parts();
            Carry::new(WithCredentials::new(proof, self.credentials.clone()), body)
        }))
    }
}
