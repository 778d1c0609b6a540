//! Which of several rules wins.

use super::{arn, claim, role_of, rules, when};
use countersign::{Kind, role::Roles};
use serde_json::{Value, json};

/// Rules as (condition, role, priority); a condition without a space is a value of the role claim.
fn roles(table: &[(&str, &str, Option<i64>)], fallback: Option<&str>) -> Roles {
    let rules = rules(table.iter().map(|(condition, role, priority)| {
        let rule =
            if condition.contains(['.', ' ']) { when(condition, role) } else { claim(condition, role) };
        match priority {
            Some(priority) => rule.with_priority(*priority),
            None => rule,
        }
    }));
    let rules = match fallback {
        Some(role) => rules.with_fallback(arn(role)),
        None => rules,
    };
    rules.build().unwrap()
}

#[test]
fn the_lowest_priority_wins_then_the_order() {
    let both = json!({"groups": ["a", "b", "c"]});
    for (table, expected) in [
        // In their order.
        (vec![("a", "A", None), ("b", "B", None)], "A"),
        (vec![("b", "B", None), ("a", "A", None)], "B"),
        (vec![("x", "X", None), ("b", "B", None), ("a", "A", None)], "B"),
        // The lowest first, whatever the order.
        (vec![("a", "A", Some(2)), ("b", "B", Some(1))], "B"),
        (vec![("a", "A", Some(0)), ("b", "B", Some(-1))], "B"),
        (vec![("a", "A", Some(i64::MAX)), ("b", "B", Some(i64::MIN))], "B"),
        // Without one last, even behind the largest.
        (vec![("a", "A", None), ("b", "B", Some(i64::MAX))], "B"),
        // Ties in their order.
        (vec![("a", "A", Some(5)), ("b", "B", Some(5)), ("c", "C", Some(4))], "C"),
        (vec![("b", "B", Some(5)), ("a", "A", Some(5))], "B"),
        (vec![("a", "A", Some(5)), ("b", "B", Some(5))], "A"),
        // A higher one is asked where a lower one is not true.
        (vec![("x", "X", Some(1)), ("b", "B", Some(2)), ("a", "A", Some(3))], "B"),
    ] {
        assert_eq!(role_of(&roles(&table, Some("F")), &both).as_deref(), Ok(expected), "{table:?}");
    }
}

#[test]
fn without_a_true_rule_there_is_the_fallback_or_nothing() {
    let table = [("a", "A", None), ("tool.destructive && 'b' in claims.groups", "B", None)];
    for claims in [json!({}), json!({"groups": []}), json!({"groups": ["c"]}), json!({"groups": "c"})] {
        assert_eq!(role_of(&roles(&table, Some("F")), &claims).as_deref(), Ok("F"));
        assert_eq!(role_of(&roles(&table, None), &claims), Err(Kind::NoRole));
    }
    let fallback_only = Roles::builder().with_fallback(arn("F")).build().unwrap();
    assert_eq!(role_of(&fallback_only, &json!({})).as_deref(), Ok("F"));
}

/// A rival's cache sorted the rules for its key, and could hand out the role of the other backend.
#[test]
fn two_backends_with_the_same_rules_in_another_order_give_different_roles() {
    let (admins, staff) = (("admins", "Admin", None), ("staff", "Staff", None));
    let first = roles(&[admins, staff], None);
    let second = roles(&[staff, admins], None);
    let caller: Value = json!({"groups": ["staff", "admins"]});
    for _ in 0..3 {
        assert_eq!(role_of(&first, &caller).as_deref(), Ok("Admin"));
        assert_eq!(role_of(&second, &caller).as_deref(), Ok("Staff"));
    }
}

#[test]
fn nothing_to_decide_by_is_refused_at_once() {
    let error = Roles::builder().build().unwrap_err();
    assert_eq!(error.to_string(), "there is neither a rule nor a fallback; add one of them");
    let error =
        rules([claim("a", "A"), claim("", "B").named("nobody")]).with_role_claim("").build().unwrap_err();
    assert_eq!(
        error.problems(),
        [
            "the role claim has no name; leave it out for `groups`",
            "rule 2 (nobody): the claim's value is empty; say which one"
        ]
    );
}
