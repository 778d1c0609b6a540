//! Bearer tokens on their way to a backend: found, renewed, exchanged, attached, over real HTTP.

mod attached;
mod backend;
mod desk;
mod exchange;
mod gateway;
mod id_jag;
mod people;
mod renewal;
mod resolved;
mod store;

use countersign::{BoxError, Error};

fn ours(error: &BoxError) -> &Error {
    error.downcast_ref().unwrap_or_else(|| panic!("{error} is none of ours"))
}
