//! The manual, chapter by chapter.

#[cfg(feature = "full")]
#[doc = include_str!("order.md")]
pub mod order {}

#[cfg(feature = "full")]
#[doc = include_str!("threats.md")]
pub mod threats {}

#[cfg(feature = "full")]
#[doc = include_str!("errors.md")]
pub mod errors {}
