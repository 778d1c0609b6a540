//! The official conformance suite, pinned by lock file and prepared by `tests/run`.

mod direct;
mod suite;
