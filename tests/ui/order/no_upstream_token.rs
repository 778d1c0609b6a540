//! A token to be exchanged that nothing looked up.

use bytes::Bytes;
use countersign::{
    BoxError,
    attach::AttachTokenLayer,
    exchange::{Exchange, ExchangeTokenLayer, UpstreamsToken},
    outgoing::Payload,
    proof::{Attached, Carry},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
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
    let login = TokenEndpoint::new("https://login.example/token", ClientAuthentication::public("us"));
    let exchange = Exchange::builder(login, UpstreamsToken::access_token("corp")).build()?;
    let _: BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Response<()>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(Duration::from_secs(2)))
                .layer(ExchangeTokenLayer::new(exchange))
                .layer(AttachTokenLayer::exchanged())
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
