//! A proof made outside the crate.

use countersign::proof::{Identity, Operation, Proves, Stage, UpstreamTokens};

struct Trustworthy(Identity);

impl Stage for Trustworthy {
    fn operation(&self) -> Option<&Operation> {
        None
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        None
    }
}

impl Proves<Identity> for Trustworthy {
    fn fact(&self) -> &Identity {
        &self.0
    }
}

fn main() {}
