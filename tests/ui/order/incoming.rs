//! An outbound stack for requests as they came in.

use bytes::Bytes;
use countersign::{
    BoxError,
    outgoing::Payload,
    proof::{Authenticated, Carry},
    sign::{SignRequestLayer, SigningTarget},
    sts::{ServiceCredentialsLayer, StaticKeys},
    transmit::Transmit,
};
use http::{Request, Response};
use http_body_util::Full;
use std::{future::Ready, time::Duration};
use tower::{
    ServiceBuilder,
    retry::{Policy, RetryLayer},
    service_fn,
    timeout::TimeoutLayer,
    util::BoxCloneSyncService,
};

#[derive(Clone)]
struct Never;

impl<R: Clone, T, E> Policy<R, T, E> for Never {
    type Future = Ready<()>;
    fn retry(&mut self, _: &mut R, _: &mut Result<T, E>) -> Option<Ready<()>> {
        None
    }
    fn clone_request(&mut self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

async fn send(_: Request<Payload<Full<Bytes>>>) -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

fn main() -> Result<(), BoxError> {
    let _: BoxCloneSyncService<Request<Carry<Authenticated, Full<Bytes>>>, Response<()>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(Duration::from_secs(2)))
                .layer(RetryLayer::new(Never))
                .layer(ServiceCredentialsLayer::new(StaticKeys::new("AKID", "secret".into())))
                .layer(SignRequestLayer::new(SigningTarget::new("execute-api", "eu-west-1")?))
                .layer(TimeoutLayer::new(Duration::from_secs(1)))
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
