//! A clock that is wrong, and an answer that says so.
//!
//! AWS refuses a signature whose time is more than five minutes off. The answer says what time it is there, so
//! [`CorrectClock`] learns by how much our clock is wrong, keeps that for this backend, and sends the request once
//! more. It stands outside [`SignRequest`](super::SignRequest), which signs the second attempt anew, and shares a
//! [`CorrectedClock`] with it.
//!
//! The request is kept for a second attempt, so its body must be one that can be cloned. An answer is looked into only
//! when its `Date` is four minutes or more from our time, or when it is to be explained; it is handed on whole.

mod answer;
mod body;
mod clock;
mod future;
mod layer;
mod mismatch;
mod service;

pub use self::{
    body::Examined, clock::CorrectedClock, future::CorrectedFuture, layer::CorrectClockLayer,
    service::CorrectClock,
};
