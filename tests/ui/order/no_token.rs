//! A token to be attached that nothing exchanges.

use bytes::Bytes;
use countersign::{
    BoxError,
    attach::AttachTokenLayer,
    outgoing::Payload,
    proof::{Attached, Carry},
    transmit::Transmit,
};
use http::{Request, Response};
use http_body_util::Full;
use std::time::Duration;
use tower::{ServiceBuilder, service_fn, timeout::TimeoutLayer, util::BoxCloneSyncService};

async fn send(_: Request<Payload<Full<Bytes>>>) -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

fn main() -> Result<(), BoxError> {
    let _: BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Response<()>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(Duration::from_secs(2)))
                .layer(AttachTokenLayer::exchanged())
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
