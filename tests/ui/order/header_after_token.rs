//! A header that would be set after the token was attached.

use bytes::Bytes;
use countersign::{
    BoxError,
    attach::AttachTokenLayer,
    outgoing::Payload,
    proof::{Attached, Carry, UpstreamToken},
    tokens::{Refusal, ResolveTokensLayer, TokenRequest, TokenSource},
    transmit::Transmit,
};
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use std::future::{Ready, ready};
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};
use tower_http::set_header::SetRequestHeaderLayer;

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
    let _: BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Response<()>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(ResolveTokensLayer::new(Nothing, ["corp"]))
                .layer(AttachTokenLayer::upstream("corp"))
                .layer(SetRequestHeaderLayer::overriding(AUTHORIZATION, HeaderValue::from_static("x")))
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
