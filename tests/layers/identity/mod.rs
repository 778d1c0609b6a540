//! `VerifyIdentity`, `TrustIdentity` and what follows from them.

mod refused;
mod rotation;
