//! One request's proof on another request.

use countersign::proof::{Authenticated, Carry};
use http::Request;

fn relay(verified: Request<Carry<Authenticated, &'static str>>) -> Request<Carry<Authenticated, &'static str>> {
    let (proof, _) = verified.into_body().into_parts();
    Request::new(Carry { proof, body: "something else" })
}

fn main() {}
