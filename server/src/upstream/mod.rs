//! The way to a backend.

mod backend;
mod client;

pub(crate) use self::backend::{Backend, Reply};

use crate::config::resolved;
use std::io;

pub(crate) fn backend(_backend: resolved::Backend) -> io::Result<Backend> {
    let _ = client::client()?;
    Err(io::Error::other("pending"))
}
