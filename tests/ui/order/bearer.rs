//! A whole outbound stack that ends in a bearer token, with layers that fit inside it.

use bytes::Bytes;
use countersign::{
    BoxError,
    attach::AttachTokenLayer,
    exchange::{Exchange, ExchangeTokenLayer, RetryUnauthorizedLayer, UpstreamsToken},
    outgoing::Payload,
    proof::{Attached, Carry, UpstreamToken},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
    tokens::{Refusal, ResolveTokensLayer, TokenRequest, TokenSource},
    transmit::Transmit,
};
use http::{Request, Response};
use http_body_util::Full;
use std::{
    future::{Ready, ready},
    time::Duration,
};
use tower::{ServiceBuilder, service_fn, timeout::TimeoutLayer, util::BoxCloneSyncService};

#[derive(Debug)]
struct Nothing;

impl TokenSource for Nothing {
    type Future = Ready<Result<UpstreamToken, Refusal>>;
    fn token(&self, _: TokenRequest) -> Self::Future {
        ready(Err(Refusal::missing("nothing")))
    }
}

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
                .layer(RetryUnauthorizedLayer::new())
                .layer(ResolveTokensLayer::new(Nothing, ["corp"]))
                .layer(ExchangeTokenLayer::new(exchange))
                .layer(AttachTokenLayer::exchanged())
                .layer(TimeoutLayer::new(Duration::from_secs(1)))
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
