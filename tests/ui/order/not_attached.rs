//! A request that came in, sent out as it is.

use countersign::proof::{Authenticated, Carry, Outbound};
use http::Request;

fn send<P: Outbound>(_: Request<Carry<P, ()>>) {}

fn relay(incoming: Request<Carry<Authenticated, ()>>) {
    send(incoming);
}

fn main() {}
