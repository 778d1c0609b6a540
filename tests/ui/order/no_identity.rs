//! Something that needs a caller, for a request that nobody in particular makes.

use countersign::proof::{ForwardHeaders, Identity, NoCaller, Proves};
use http::Request;

fn audit<P: Proves<Identity>>(proof: &P) -> &str {
    proof.fact().subject()
}

fn main() {
    let probe = NoCaller::attach(Request::new(()), &ForwardHeaders::default());
    audit(probe.body().proof());
}
