use super::{
    bearer::Presented,
    future::{ResponseFuture, RouterFuture},
    handover::{WithoutProof, with_proof},
    verifier::{Verdict, Verifier},
};
use crate::{
    error::{BoxError, Kind},
    proof::{Authenticated, Carry},
    task,
};
use http::Request;
use std::{
    mem,
    task::{Context, Poll},
};
use tower_service::Service;

/// Verifies the bearer token of each request, and calls the inner service with the proof of who is calling.
///
/// The proof is also put into the request's extensions, as [`Authenticated`]. See the [module](super).
#[derive(Clone, Debug)]
pub struct VerifyIdentity<S> {
    inner: S,
    verifier: Verifier,
}

/// [`VerifyIdentity`] for services whose body type is given: the proof is in the extensions only.
#[derive(Clone, Debug)]
pub struct VerifyIdentityForRouter<S> {
    verified: VerifyIdentity<WithoutProof<S>>,
    anonymous: bool,
}

/// In the extensions of a request that was let in without a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anonymous;

impl<S> VerifyIdentity<S> {
    /// Lets in whom `verifier` vouches for.
    pub fn new(inner: S, verifier: Verifier) -> Self {
        Self { inner, verifier }
    }
}

impl<S> VerifyIdentityForRouter<S> {
    pub(super) fn new(inner: S, verifier: Verifier, anonymous: bool) -> Self {
        Self { verified: VerifyIdentity::new(WithoutProof::new(inner), verifier), anonymous }
    }
}

impl<S, B> Service<Request<B>> for VerifyIdentity<S>
where
    S: Service<Request<Carry<Authenticated, B>>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let presented = match Presented::by(request.headers()) {
            Ok(presented) => presented,
            Err(error) => return ResponseFuture::refused(error),
        };
        match self.verifier.judge(presented) {
            Verdict::Known(Ok(identity)) => {
                let proof = self.verifier.authenticated(identity);
                ResponseFuture::calling(self.inner.call(with_proof(request, proof)))
            }
            Verdict::Known(Err(error)) => ResponseFuture::refused(error),
            Verdict::Open(token) => {
                let verdict = task::spawn_owned(self.verifier.clone().investigate(token));
                // The service that was polled ready is the one to call; its clone takes its place.
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                ResponseFuture::waiting(verdict, ready, self.verifier.clone(), request)
            }
        }
    }
}

impl<S, B> Service<Request<B>> for VerifyIdentityForRouter<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = RouterFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::<Request<B>>::poll_ready(&mut self.verified, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let no_token = || Presented::by(request.headers()).is_err_and(|error| error.kind() == Kind::NoToken);
        if self.anonymous && no_token() {
            request.extensions_mut().insert(Anonymous);
            return RouterFuture::anonymous(self.verified.inner.inner.call(request));
        }
        RouterFuture::verified(self.verified.call(request))
    }
}
