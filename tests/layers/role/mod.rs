//! Which role a caller gets, through the layer.

mod actors;
mod conditions;
mod expressions;
mod names;
mod order;
mod said;
mod witness;

use bytes::Bytes;
use countersign::{
    BoxError, Error, Kind,
    expression::Expression,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Attached, Authenticated, AwsRole, Carry, Operation, Proves, RoleArn, WithRole},
    role::{Roles, RolesBuilder, Rule, SelectRoleLayer},
};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

const ISSUER: &str = "https://login.example.com";

type Selected = Request<Carry<WithRole<Attached>, Full<Bytes>>>;

/// What the layer established, or how it refused.
type Outcome = Result<AwsRole, Kind>;

/// Asks the layer for the role of `subject` with `claims`, for a call that is about `operation`.
fn select(roles: &Roles, subject: &str, claims: &Value, operation: Option<Operation>) -> Outcome {
    ask(roles, subject, claims, operation).map_err(|error| error.downcast::<Error>().unwrap().kind())
}

fn ask(
    roles: &Roles,
    subject: &str,
    claims: &Value,
    operation: Option<Operation>,
) -> Result<AwsRole, BoxError> {
    let mut proof = authenticated(subject, claims);
    if let Some(operation) = operation {
        proof = proof.about(operation);
    }
    let request =
        proof.attach(Request::post("https://backend.example/mcp").body(Full::default()).unwrap()).unwrap();
    let service = SelectRoleLayer::new(roles.clone()).layer(service_fn(async |request: Selected| {
        let role: &AwsRole = request.body().proof().fact();
        Ok::<_, BoxError>(Response::new(role.clone()))
    }));
    let answer = service.oneshot(request).now_or_never().expect("selecting a role waits for nothing");
    answer.map(Response::into_body)
}

/// A proof of somebody, as a service's own verification would establish it.
fn authenticated(subject: &str, claims: &Value) -> Authenticated {
    let claims = claims.as_object().unwrap().clone();
    let identity = TrustedIdentity::new(ISSUER, subject).with_claims(claims);
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(Response::new(request.body().proof().clone()))
    });
    let trusting = TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone())).layer(proof);
    trusting.oneshot(Request::new(())).now_or_never().unwrap().unwrap().into_body()
}

/// The name of the role that alice gets for a call that nobody described.
fn role_of(roles: &Roles, claims: &Value) -> Result<String, Kind> {
    select(roles, "alice", claims, None).map(|role| role.arn().rsplit('/').next().unwrap().to_owned())
}

fn arn(name: &str) -> RoleArn {
    format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap()
}

fn when(condition: &str, role: &str) -> Rule {
    let condition = Expression::compile(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    Rule::when(condition, arn(role))
}

fn claim(value: &str, role: &str) -> Rule {
    Rule::claim(value, arn(role))
}

fn rules(rules: impl IntoIterator<Item = Rule>) -> RolesBuilder {
    rules.into_iter().fold(Roles::builder(), RolesBuilder::rule)
}
