//! Credentials for a role that nobody selected.

use countersign::{
    BoxError,
    proof::{Attached, AwsCredentials, Carry, Proves},
    sts::{AssumeRoleLayer, Sts},
};
use http::Request;
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};

async fn sign<P: Proves<AwsCredentials>>(request: Request<Carry<P, ()>>) -> Result<String, BoxError> {
    Ok(request.body().proof().fact().access_key_id().to_owned())
}

fn stack(sts: Sts) {
    let _: BoxCloneSyncService<Request<Carry<Attached, ()>>, String, BoxError> = BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(AssumeRoleLayer::new(sts))
            .service(service_fn(sign)),
    );
}

fn main() {}
