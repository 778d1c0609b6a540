//! Facts made outside the crate.

use countersign::proof::{AwsRole, Authenticated, NoCaller};

fn main() {
    let _ = AwsRole::new("arn:aws:iam::123456789012:role/Admin", "me");
    let _ = NoCaller(());
    let _: Authenticated = Default::default();
}
