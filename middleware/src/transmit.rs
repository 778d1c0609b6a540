//! The innermost service of an outbound stack: what is finished goes onto the wire.

use crate::outgoing::{Outgoing, Payload};
use http::{Request, Response};
use hyper_util::client::legacy::Client;
use std::task::{Context, Poll};
use tower_service::Service;

/// Sends what a layer before it finished, with a client of hyper-util, and follows no redirect.
///
/// ```
/// use bytes::Bytes;
/// use countersign::{outgoing::Payload, transmit::Transmit};
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
///
/// let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
/// let transmit = Transmit::new(client);
/// ```
#[derive(Clone, Debug)]
pub struct Transmit<C> {
    client: C,
}

impl<C, B> Transmit<Client<C, B>> {
    /// Sends with `client`.
    pub fn new(client: Client<C, B>) -> Self {
        Self { client }
    }
}

impl<C> Transmit<C> {
    /// Hands finished requests to any service, which may then do to them whatever it likes: for tests.
    pub fn dangerous_over(service: C) -> Self {
        Self { client: service }
    }
}

impl<C, B, R> Service<Outgoing<B>> for Transmit<C>
where
    C: Service<Request<Payload<B>>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = C::Error;
    type Future = C::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.client.poll_ready(cx)
    }

    fn call(&mut self, request: Outgoing<B>) -> C::Future {
        self.client.call(request.into_request())
    }
}
