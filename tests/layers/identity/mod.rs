//! `VerifyIdentity`, `TrustIdentity` and what follows from them.

mod accepted;
mod authorities;
mod forms;
mod introspection;
mod outage;
mod outgoing;
mod refused;
mod remembered;
mod rotation;
