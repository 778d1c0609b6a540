#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(feature = "builder")]
pub mod builder;
pub mod clock;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "layers make errors; here is none"))]
pub mod error;
#[cfg(feature = "expression")]
pub mod expression;
#[cfg(feature = "extract")]
pub mod extract;
#[cfg(feature = "identity")]
pub mod identity;
pub mod manual;
#[cfg(feature = "transmit")]
#[cfg_attr(not(feature = "sign"), allow(dead_code, reason = "layers finish requests; here is none"))]
pub mod outgoing;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "layers make proofs; here is none"))]
pub mod proof;
#[cfg(feature = "respond")]
pub mod respond;
#[cfg(feature = "role")]
pub mod role;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sts")]
pub mod sts;
#[cfg(any(feature = "expression", feature = "identity", feature = "sts"))]
#[cfg_attr(
    not(feature = "identity"),
    allow(dead_code, reason = "whoever waits for others spawns; here is nobody")
)]
mod task;
#[cfg(feature = "transmit")]
pub mod transmit;

#[cfg(feature = "builder")]
pub use self::builder::ServiceBuilderExt;
pub use self::error::{BoxError, Error, Kind};
