//! What is said about a decision: to the log, in warnings and in explanations.

use super::{arn, ask, authenticated, claim, rules, when};
use crate::log::Log;
use countersign::{
    Error,
    expression::{Facts, Supposed},
    role::{Refusal, Verdict, Warning},
};
use http::Method;
use serde_json::json;
use std::error::Error as _;

#[test]
fn the_log_names_rules_and_no_claims() {
    let log = Log::record();
    let roles = rules([
        claim("secret-group", "A").named("admins"),
        when("has(claims.level) && claims.level > 3", "B"),
    ]);
    let roles = roles.build().unwrap();

    let error = ask(&roles, "hidden-subject", &json!({"groups": ["hidden-group"]}), None).unwrap_err();
    assert_eq!(error.to_string(), "no rule gives this caller a role");
    let lines = log.lines("no rule is true of the caller");
    assert_eq!(lines.len(), 1, "{}", log.text());
    assert!(lines[0].contains("rule 1 (admins), rule 2"), "{}", lines[0]);

    let error = ask(&roles, "hidden-subject", &json!({"level": "hidden-level"}), None).unwrap_err();
    assert_eq!(error.to_string(), "a rule could not be decided for this caller");
    let source = error.downcast_ref::<Error>().unwrap().source().unwrap().to_string();
    assert_eq!(source, "rule 2 could not be decided: `>` does not go with (string, int)");
    let lines = log.lines(&source);
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{}", log.text());
    assert!(!log.text().contains("hidden"), "{}", log.text());
}

#[test]
fn rules_that_cannot_win_are_warned_of() {
    let warnings = |roles: countersign::role::RolesBuilder| {
        let roles = roles.build().unwrap();
        roles.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(warnings(rules([claim("a", "A"), claim("b", "B"), when("claims.a == 1", "C")])), none);
    assert_eq!(
        warnings(rules([
            when("'a' in claims.groups", "A"),
            when("tool.read_only && 'a' in claims.groups", "B").named("readers"),
            claim("x", "X"),
            claim("x", "Y"),
        ])),
        [
            "rule 2 (readers) can never win: rule 1 is asked before it and true whenever it is; change their order",
            "rule 4 can never win: rule 3 is asked before it and true whenever it is; change their order",
        ]
    );
    // What counts is the order in which they are asked.
    assert_eq!(
        warnings(rules([claim("x", "X"), claim("x", "Y").with_priority(1)])),
        ["rule 1 can never win: rule 2 is asked before it and true whenever it is; change their order"]
    );
    assert_eq!(
        warnings(rules([when("1 == 1", "A"), claim("b", "B"), when("false", "C")]).with_fallback(arn("F"))),
        [
            "rule 2 can never win: rule 1 is asked before it and true whenever it is; change their order",
            "rule 3 is true of nobody; remove it",
            "nobody ever gets the fallback: rule 1 is true of everybody; remove one of them",
        ]
    );
}

#[test]
fn an_address_that_nobody_verified_is_warned_of() {
    let by_email = || rules([when("claims.email == 'root@example.com'", "A")]);
    let checked = || rules([when("claims.email_verified && claims.email.endsWith('@example.com')", "A")]);
    let name = || "{claims.email}".parse().unwrap();
    for (roles, expected) in [
        (by_email(), vec![Warning::UnverifiedEmail { rule: "rule 1".to_owned() }]),
        (checked(), vec![]),
        (checked().with_session_name(name()), vec![]),
        (checked().with_session_name(name()).with_fallback(arn("F")), vec![Warning::UnverifiedEmailAsName]),
        (rules([claim("a", "A")]).with_session_name(name()), vec![Warning::UnverifiedEmailAsName]),
    ] {
        assert_eq!(roles.build().unwrap().warnings(), expected);
    }
}

#[test]
fn an_explanation_says_which_rule_won_and_why_each_other_did_not() {
    let roles = rules([
        when("claims.level > 3", "High").skip_on_error(),
        claim("admins", "Admin").named("admins"),
        when("true", "Everybody"),
        when("claims.x == 1", "Never").with_priority(-1).skip_on_error(),
    ]);
    let roles = roles.build().unwrap();
    let alice = authenticated("alice", &json!({"groups": ["admins"]}));
    let explanation = roles.explain(&Facts::of(&alice, &Method::POST));
    let steps: Vec<_> = explanation
        .steps()
        .iter()
        .map(|step| format!("{} {}: {}", step.number(), step.condition(), step.verdict()))
        .collect();
    let missing = "something that it asks for is missing; ask with has() first";
    assert_eq!(
        steps,
        [
            format!("4 when claims.x == 1: cannot be decided and is skipped: {missing}"),
            format!("1 when claims.level > 3: cannot be decided and is skipped: {missing}"),
            "2 claim \"admins\": won".to_owned(),
            "3 when true: was not asked, since it was decided before".to_owned(),
        ]
    );
    let winner = explanation.winner().unwrap();
    assert_eq!((winner.name(), winner.role().name()), (Some("admins"), "Admin"));
    assert_eq!(explanation.outcome().unwrap().session_name(), "alice");
    assert!(explanation.actor_steps().is_empty() && explanation.fallback().is_none());
}

#[test]
fn an_explanation_of_a_refusal_says_why() {
    let roles = rules([claim("admins", "Admin"), when("claims.level > 3", "High")]);
    let roles = roles.with_fallback(arn("F")).with_actor_ceiling().build().unwrap();
    let explain = |claims: serde_json::Value| {
        let caller = Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap();
        roles.explain(&caller.facts())
    };
    let failed = explain(json!({"iss": "i", "sub": "s"}));
    assert!(matches!(failed.outcome(), Err(Refusal::RuleFailed { rule, .. }) if rule == "rule 2"));
    assert!(matches!(failed.steps()[1].verdict(), Verdict::Failed(_)) && failed.winner().is_none());

    let delegated = explain(json!({
        "iss": "i", "sub": "s", "groups": ["admins"], "level": 1, "act": {"sub": "agent", "level": 1},
    }));
    assert_eq!(delegated.actor_steps().len(), 2);
    assert!(delegated.actor_steps().iter().all(|step| *step.verdict() == Verdict::False));
    let said = delegated.outcome().unwrap_err().to_string();
    assert_eq!(
        said,
        "the caller would get arn:aws:iam::123456789012:role/Admin, \
         and whoever acts for them arn:aws:iam::123456789012:role/F"
    );
}
