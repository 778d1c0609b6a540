use super::{address, finish::finish, fixed::FixedHeaders, future::ResponseFuture};
use crate::{
    error::{BoxError, Error, Kind},
    outgoing::{Outgoing, SendOutgoing},
    proof::{Carry, Outbound},
};
use http::{Request, request::Parts};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`AttachHeaders`].
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct AttachHeadersLayer {
    headers: FixedHeaders,
    plain_http: bool,
}

/// Puts the headers of a configuration onto each request, whoever makes it and even if nobody does.
#[derive(Clone, Debug)]
pub struct AttachHeaders<S> {
    inner: S,
    headers: FixedHeaders,
    plain_http: bool,
}

impl AttachHeadersLayer {
    /// Puts `headers` there.
    pub fn new(headers: FixedHeaders) -> Self {
        Self { headers, plain_http: false }
    }

    /// Sends requests as they are, without anything of the caller's and anything of our own.
    pub fn none() -> Self {
        Self::new(FixedHeaders::none())
    }

    /// Sends them over plain http as well, where whoever is on the way reads along.
    #[must_use]
    pub fn dangerous_allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }
}

impl<S> AttachHeaders<S> {
    fn finished<B>(&self, parts: Parts, body: B) -> Result<Outgoing<B>, Error> {
        if !self.plain_http && !self.headers.is_empty() {
            address::check(&parts.uri)?;
        }
        finish(parts, body, |headers| {
            self.headers.put_onto(headers).map_err(|name| {
                let what = "the request has a header already that the backend's configuration sets";
                Error::new(Kind::Unattachable, what).with_source(format!("it is {name}"))
            })
        })
    }
}

impl<S> Layer<S> for AttachHeadersLayer {
    type Service = AttachHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttachHeaders { inner, headers: self.headers.clone(), plain_http: self.plain_http }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for AttachHeaders<S>
where
    P: Outbound,
    S: SendOutgoing<B>,
    S::Failure: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Sending>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let (parts, carry) = request.into_parts();
        match self.finished(parts, carry.into_parts().1) {
            Ok(outgoing) => ResponseFuture::sending(self.inner.call(outgoing)),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}
