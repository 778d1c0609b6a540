//! Facts made outside the crate.

use countersign::proof::{AwsRole, Authenticated, NoCaller};
use std::sync::Arc;

fn main() {
    let _ = AwsRole { arn: Arc::from("arn:aws:iam::123456789012:role/Admin"), session_name: Arc::from("me") };
    let _ = AwsRole::new("arn:aws:iam::123456789012:role/Admin", "me");
    let _ = NoCaller(());
    let _: Authenticated = Default::default();
}
