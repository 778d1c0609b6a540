//! The layers in their order, with tower's own in between.

use bytes::Bytes;
use countersign::{
    BoxError,
    identity::{Issuer, LocalKeys, Verifier, VerifyIdentityLayer},
    proof::{Carry, Identity, Proves},
};
use http::{Request, Response};
use http_body_util::Full;
use std::time::Duration;
use tower::{ServiceBuilder, service_fn, timeout::TimeoutLayer, util::BoxCloneSyncService};

async fn greet<P: Proves<Identity>>(
    request: Request<Carry<P, Full<Bytes>>>,
) -> Result<Response<String>, BoxError> {
    Ok(Response::new(request.body().proof().fact().subject().to_owned()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = LocalKeys::parse(r#"{"keys": []}"#)?;
    let issuer = Issuer::new("https://login.example.com", "https://api.example.com").with_keys(keys);
    let verifier = Verifier::builder().trust(issuer).build()?;
    let _: BoxCloneSyncService<Request<Full<Bytes>>, Response<String>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(Duration::from_secs(2)))
                .layer(VerifyIdentityLayer::new(verifier))
                .layer(TimeoutLayer::new(Duration::from_secs(1)))
                .service(service_fn(greet)),
        );
    Ok(())
}
