//! Agents that act for people.

use super::{arn, claim, role_of, rules, when};
use countersign::{
    Kind,
    role::{Roles, Rule},
};
use serde_json::{Value, json};

fn ceiling(with: impl IntoIterator<Item = Rule>) -> Roles {
    rules(with).with_fallback(arn("Everybody")).with_actor_ceiling().build().unwrap()
}

fn delegated(groups: &[&str], act: &Value) -> Value {
    json!({"groups": groups, "act": act})
}

#[test]
fn both_have_to_get_the_same_role() {
    let roles = ceiling([claim("admins", "Admin"), when("tool.destructive", "Owner")]);
    for (claims, expected) in [
        // In person there is no ceiling.
        (json!({"groups": ["admins"]}), Ok("Admin")),
        // The agent is nobody here, so only what everybody gets remains.
        (delegated(&["admins"], &json!({"sub": "agent"})), Err(Kind::NoRole)),
        (delegated(&["staff"], &json!({"sub": "agent"})), Ok("Everybody")),
        // The token says of the agent what makes it an admin.
        (delegated(&["admins"], &json!({"sub": "agent", "groups": ["admins"]})), Ok("Admin")),
        (delegated(&["staff"], &json!({"sub": "agent", "groups": ["admins"]})), Err(Kind::NoRole)),
        // Only the current actor counts, as in RFC 8693.
        (
            delegated(&["admins"], &json!({"sub": "a", "act": {"sub": "host", "groups": ["admins"]}})),
            Err(Kind::NoRole),
        ),
    ] {
        assert_eq!(role_of(&roles, &claims).as_deref(), expected.as_ref().copied(), "{claims}");
    }
}

#[test]
fn a_rule_that_names_both_together_decides_alone() {
    let roles = ceiling([
        when("'admins' in claims.groups && actor.exists(a, a.sub == 'trusted-agent')", "AgentForAdmin"),
        claim("admins", "Admin"),
    ]);
    let by = |agent: &str| delegated(&["admins"], &json!({"sub": agent}));
    assert_eq!(role_of(&roles, &by("trusted-agent")).as_deref(), Ok("AgentForAdmin"));
    assert_eq!(role_of(&roles, &by("other-agent")), Err(Kind::NoRole));
    // Looking at the agent alone is no name for both.
    let roles = ceiling([when("size(actor) > 0", "Delegated")]);
    assert_eq!(role_of(&roles, &by("trusted-agent")), Err(Kind::NoRole));
}

#[test]
fn what_cannot_be_decided_about_the_actor_refuses() {
    let roles = ceiling([when("claims.level > 3", "High")]);
    assert_eq!(role_of(&roles, &json!({"level": 4})).as_deref(), Ok("High"));
    assert_eq!(role_of(&roles, &json!({"level": 4, "act": {"sub": "agent"}})), Err(Kind::RuleFailed));
    assert_eq!(
        role_of(&roles, &json!({"level": 4, "act": {"sub": "agent", "level": 9}})).as_deref(),
        Ok("High")
    );
}

#[test]
fn without_a_ceiling_the_actor_is_one_more_fact() {
    let roles = rules([when("size(actor) == 0", "Person"), when("actor[0].sub == 'agent'", "Agent")])
        .build()
        .unwrap();
    assert_eq!(role_of(&roles, &json!({})).as_deref(), Ok("Person"));
    assert_eq!(role_of(&roles, &json!({"act": {"sub": "agent"}})).as_deref(), Ok("Agent"));
    assert_eq!(role_of(&roles, &json!({"act": {"sub": "other"}})), Err(Kind::NoRole));
}
