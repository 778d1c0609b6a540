//! A role for a request that nobody in particular makes.

use countersign::{
    BoxError,
    proof::{Carry, NoCaller, WithRole},
    role::{Roles, SelectRoleLayer},
};
use http::{Request, Response};
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};

async fn assume(_: Request<Carry<WithRole<NoCaller>, ()>>) -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

fn main() -> Result<(), BoxError> {
    let roles = Roles::builder().with_fallback("arn:aws:iam::123456789012:role/User".parse()?).build()?;
    let _: BoxCloneSyncService<Request<Carry<NoCaller, ()>>, Response<()>, BoxError> = BoxCloneSyncService::new(
        ServiceBuilder::new().layer(SelectRoleLayer::new(roles)).service(service_fn(assume)),
    );
    Ok(())
}
