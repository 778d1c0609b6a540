//! `VerifyIdentity`, `TrustIdentity` and what follows from them.

mod accepted;
mod introspection;
mod outage;
mod refused;
mod remembered;
mod rotation;
