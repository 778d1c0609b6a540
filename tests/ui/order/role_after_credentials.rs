//! A role that is selected after the credentials were made: they are not that role's.

use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    outgoing::Payload,
    proof::{Attached, Carry},
    role::Roles,
    sign::{SignRequestLayer, SigningTarget},
    sts::{ServiceCredentialsLayer, StaticKeys},
    transmit::Transmit,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};

async fn send(_: Request<Payload<Full<Bytes>>>) -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

fn main() -> Result<(), BoxError> {
    let roles = Roles::builder().with_fallback("arn:aws:iam::123456789012:role/User".parse()?).build()?;
    let _: BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Response<()>, BoxError> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(ServiceCredentialsLayer::new(StaticKeys::new("AKID", "secret".into())))
                .select_role(roles)
                .layer(SignRequestLayer::new(SigningTarget::new("execute-api", "eu-west-1")?))
                .service(Transmit::dangerous_over(service_fn(send))),
        );
    Ok(())
}
