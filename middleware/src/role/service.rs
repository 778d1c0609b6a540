use super::{future::ResponseFuture, roles::Roles};
use crate::{
    error::BoxError,
    expression::Facts,
    proof::{Carry, Identity, Outbound, Proves, Roleless, Uncredentialed, WithRole},
};
use http::Request;
use std::task::{Context, Poll};
use tower_service::Service;

/// Selects the role that each request is made in. See the [module](super).
#[derive(Clone, Debug)]
pub struct SelectRole<S> {
    inner: S,
    roles: Roles,
}

impl<S> SelectRole<S> {
    pub(super) fn new(inner: S, roles: Roles) -> Self {
        Self { inner, roles }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for SelectRole<S>
where
    P: Proves<Identity> + Outbound + Roleless + Uncredentialed,
    S: Service<Request<Carry<WithRole<P>, B>>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let selected = self.roles.select(&Facts::of(request.body().proof(), request.method()));
        let role = match selected {
            Ok(role) => role,
            Err(refusal) => {
                refusal.log(&self.roles);
                return ResponseFuture::refused(refusal.into());
            }
        };
        ResponseFuture::calling(self.inner.call(request.map(|carry| {
            let (proof, body) = carry.into_parts();
            Carry::new(WithRole::new(proof, role), body)
        })))
    }
}
