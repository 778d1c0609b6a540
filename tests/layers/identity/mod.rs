//! `VerifyIdentity`, `TrustIdentity` and what follows from them.

mod accepted;
mod outage;
mod refused;
mod remembered;
mod rotation;
