#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(feature = "attach")]
pub mod attach;
#[cfg(feature = "builder")]
pub mod builder;
pub mod clock;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "layers make errors; here is none"))]
pub mod error;
#[cfg(feature = "exchange")]
pub mod exchange;
#[cfg(feature = "expression")]
pub mod expression;
#[cfg(feature = "extract")]
pub mod extract;
#[cfg(any(feature = "exchange", feature = "identity", feature = "tokens"))]
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "each layer fetches in its own way"))]
pub mod fetch;
#[cfg(any(feature = "exchange", feature = "tokens"))]
#[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "only exchanged tokens are kept"))]
mod flight;
#[cfg(feature = "identity")]
pub mod identity;
pub mod manual;
#[cfg(feature = "transmit")]
#[cfg_attr(
    not(all(feature = "sign", feature = "attach")),
    allow(dead_code, reason = "layers finish requests; here is none")
)]
pub mod outgoing;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "layers make proofs; here is none"))]
pub mod proof;
#[cfg(any(feature = "exchange", feature = "tokens"))]
#[cfg_attr(not(feature = "tokens"), allow(dead_code, reason = "sources of tokens refuse in more ways"))]
mod refusal;
#[cfg(feature = "respond")]
pub mod respond;
#[cfg(feature = "role")]
pub mod role;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sts")]
pub mod sts;
#[cfg(any(
    feature = "exchange",
    feature = "expression",
    feature = "identity",
    feature = "sts",
    feature = "tokens"
))]
#[cfg_attr(
    not(feature = "identity"),
    allow(dead_code, reason = "whoever waits for others spawns; here is nobody")
)]
mod task;
#[cfg(any(feature = "exchange", feature = "tokens"))]
pub mod token_endpoint;
#[cfg(feature = "tokens")]
pub mod tokens;
#[cfg(feature = "transmit")]
pub mod transmit;

#[cfg(feature = "builder")]
pub use self::builder::{CheckService, ServiceBuilderExt};
pub use self::error::{BoxError, Error, Kind};
