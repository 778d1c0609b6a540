//! How a verified request is handed on: with the proof in its type, or in its extensions alone.

use crate::proof::{Authenticated, Carry};
use http::{Request, header::AUTHORIZATION};
use std::task::{Context, Poll};
use tower_service::Service;

/// Puts the proof onto a request: into its type, and into its extensions for handlers that cannot see the type.
pub(super) fn with_proof<B>(
    mut request: Request<B>,
    proof: Authenticated,
) -> Request<Carry<Authenticated, B>> {
    if let Some(token) = request.headers_mut().get_mut(AUTHORIZATION) {
        // Whoever prints the request from here on does not print this.
        token.set_sensitive(true);
    }
    request.extensions_mut().insert(proof.clone());
    request.map(|body| Carry::new(proof, body))
}

/// Takes the proof off the body again.
#[derive(Clone, Debug)]
pub struct WithoutProof<S> {
    pub(super) inner: S,
}

impl<S> WithoutProof<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<Carry<Authenticated, B>>> for WithoutProof<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Carry<Authenticated, B>>) -> S::Future {
        self.inner.call(request.map(|carry| carry.into_parts().1))
    }
}
