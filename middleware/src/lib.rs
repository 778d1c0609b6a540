#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(feature = "builder")]
pub mod builder;
pub mod clock;
pub mod error;
#[cfg(feature = "extract")]
pub mod extract;
#[cfg(feature = "identity")]
pub mod identity;
pub mod manual;
pub mod proof;
#[cfg(feature = "respond")]
pub mod respond;
#[cfg(feature = "identity")]
mod task;

#[cfg(feature = "builder")]
pub use self::builder::ServiceBuilderExt;
pub use self::error::{BoxError, Error, Kind};
