//! Programs that must not compile, and what the compiler says to them.
//!
//! A message that changes is a change of what users see: look at it, and if it is good, record it with
//! `TRYBUILD=overwrite cargo nextest run -p countersign-tests --test ui`.

/// One test, because there is one folder that all programs are built in.
#[test]
fn order_is_a_type_and_proofs_cannot_be_forged() {
    let programs = trybuild::TestCases::new();
    programs.pass("ui/order/in_order.rs");
    programs.pass("ui/order/signed.rs");
    programs.pass("ui/order/aws.rs");
    programs.pass("ui/order/bearer.rs");
    for mistake in
        ["swapped", "missing", "doubled", "retry_inside", "header_inside", "incoming", "not_attached"]
    {
        programs.compile_fail(format!("ui/order/{mistake}.rs"));
    }
    for mistake in ["no_identity", "no_credentials", "no_role", "late_role", "two_roles", "two_credentials"] {
        programs.compile_fail(format!("ui/order/{mistake}.rs"));
    }
    for mistake in
        ["role_after_signature", "role_for_nobody", "no_token", "no_upstream_token", "header_after_token"]
    {
        programs.compile_fail(format!("ui/order/{mistake}.rs"));
    }
    for forgery in ["own_proof", "own_fact", "moved_proof"] {
        programs.compile_fail(format!("ui/forgery/{forgery}.rs"));
    }
}
