//! Something that signs, behind layers that only say who is calling.

use bytes::Bytes;
use countersign::{
    BoxError,
    identity::{Verifier, VerifyIdentityLayer},
    proof::{AwsCredentials, Carry, Proves},
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};

async fn sign<P: Proves<AwsCredentials>>(
    request: Request<Carry<P, Full<Bytes>>>,
) -> Result<Response<String>, BoxError> {
    Ok(Response::new(request.body().proof().fact().access_key_id().to_owned()))
}

fn stack(verifier: Verifier) {
    let _: BoxCloneSyncService<Request<Full<Bytes>>, Response<String>, BoxError> = BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(VerifyIdentityLayer::new(verifier))
            .service(service_fn(sign)),
    );
}

fn main() {}
