//! A role that is selected after the credentials were made.

use bytes::Bytes;
use countersign::{
    BoxError, CheckService, ServiceBuilderExt,
    outgoing::Payload,
    proof::{Attached, Carry},
    role::Roles,
    sign::SigningTarget,
    sts::{CredentialCache, Session, Sts},
    transmit::Transmit,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn};

type Call = Request<Carry<Attached, Full<Bytes>>>;

async fn send(_: Request<Payload<Full<Bytes>>>) -> Result<Response<()>, BoxError> {
    Ok(Response::new(()))
}

fn stack(roles: Roles, cache: CredentialCache<Sts>, target: SigningTarget) {
    ServiceBuilder::new()
        .select_role(roles.clone())
        .assume_role(&cache, Session::default())
        .select_role(roles)
        .sign_request(target)
        .service(Transmit::dangerous_over(service_fn(send)))
        .check::<Call>();
}

fn main() {}
