//! The manual, chapter by chapter.

#[cfg(all(feature = "identity", feature = "respond", feature = "extract", feature = "builder"))]
#[doc = include_str!("order.md")]
pub mod order {}

#[cfg(all(feature = "identity", feature = "respond", feature = "extract", feature = "builder"))]
#[doc = include_str!("threats.md")]
pub mod threats {}

#[cfg(all(feature = "identity", feature = "respond", feature = "extract", feature = "builder"))]
#[doc = include_str!("errors.md")]
pub mod errors {}
