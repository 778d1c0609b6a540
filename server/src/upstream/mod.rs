//! The way to a backend: one typed stack for each kind of signature, chosen whole.

mod aws;
mod backend;
mod client;
mod health;
mod stack;
mod stdio;

pub(crate) use self::{
    backend::{Backend, Reply},
    client::trusting_this_machine,
    health::watch,
    stack::{Tokens, backend},
    stdio::Unavailable,
};
