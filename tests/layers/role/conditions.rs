//! What a single rule says of a caller.

use super::{arn, claim, role_of, rules, select, when};
use countersign::{
    Kind,
    proof::{Operation, Tool},
    role::ClaimFormat,
};
use serde_json::json;

#[test]
fn a_rule_that_cannot_be_decided_refuses_and_never_passes_on() {
    let undecidable = [
        ("claims.team == 'data'", json!({})),
        ("claims.team.startsWith('d')", json!({"team": 7})),
        ("claims.level > 3", json!({"level": "4"})),
        ("claims.admin", json!({"admin": "true"})),
        ("'a' in claims.groups", json!({"groups": 7})),
        ("'a' in claims.groups", json!({"groups": null})),
        ("'a' in claims.realm.roles", json!({"realm": "r"})),
        ("claims.list[3] == 'a'", json!({"list": ["a"]})),
        ("int(claims.level) > 3", json!({"level": "high"})),
        ("upstream['github'].claims.login == 'octo'", json!({})),
        ("actor[0].sub == 'agent'", json!({})),
        ("claims.groups.exists(g, g.name == 'a')", json!({"groups": ["a"]})),
    ];
    for (condition, claims) in undecidable {
        let strict = rules([when(condition, "A"), claim("everybody", "B")]).with_fallback(arn("F"));
        assert_eq!(role_of(&strict.build().unwrap(), &claims), Err(Kind::RuleFailed), "{condition}");
        let lenient = rules([when(condition, "A").skip_on_error()]).with_fallback(arn("F"));
        assert_eq!(role_of(&lenient.build().unwrap(), &claims).as_deref(), Ok("F"), "{condition}");
        // A rule that won before is not undone by one that is never asked.
        let behind = rules([when("true", "T"), when(condition, "A")]);
        assert_eq!(role_of(&behind.build().unwrap(), &claims).as_deref(), Ok("T"), "{condition}");
    }
}

#[test]
fn missing_claims_are_asked_for_with_has_or_behind_in() {
    let roles = rules([
        when("has(claims.team) && claims.team == 'data'", "Data"),
        when("'admins' in claims.groups", "Admin"),
        when("'ops' in claims.realm_access.roles", "Ops"),
        when("'acme' in upstream['github'].claims.orgs", "Acme"),
    ]);
    let roles = roles.with_fallback(arn("F")).build().unwrap();
    for (claims, expected) in [
        (json!({}), "F"),
        (json!({"team": "data"}), "Data"),
        (json!({"team": "ops", "groups": ["admins"]}), "Admin"),
        (json!({"realm_access": {}}), "F"),
        (json!({"realm_access": {"roles": ["ops"]}}), "Ops"),
    ] {
        assert_eq!(role_of(&roles, &claims).as_deref(), Ok(expected), "{claims}");
    }
}

#[test]
fn the_role_claim_is_compared_by_its_type() {
    let roles = |name: &str, format| {
        let rules = rules([claim("admins", "A")]).with_role_claim(name).with_role_claim_format(format);
        rules.with_fallback(arn("F")).build().unwrap()
    };
    let list = ClaimFormat::List;
    for (name, format, claims, expected) in [
        ("groups", list, json!({"groups": ["users", "admins"]}), Ok("A")),
        ("groups", list, json!({"groups": "admins"}), Ok("A")),
        ("groups", list, json!({"groups": "platform admins"}), Ok("F")),
        ("groups", ClaimFormat::SpaceSeparated, json!({"groups": "platform admins"}), Ok("A")),
        ("groups", list, json!({"groups": ["platform admins", "ADMINS", "admins "]}), Ok("F")),
        ("scope", list, json!({"scope": "openid admins"}), Ok("A")),
        ("https://e.example/groups", list, json!({"https://e.example/groups": ["admins"]}), Ok("A")),
        ("realm.roles", list, json!({"realm": {"roles": ["admins"]}}), Ok("F")),
        ("groups", list, json!({"groups": {"admins": true}}), Err(Kind::RuleFailed)),
        ("groups", list, json!({"groups": 7}), Err(Kind::RuleFailed)),
        ("groups", list, json!({"groups": null}), Err(Kind::RuleFailed)),
        ("groups", list, json!({}), Ok("F")),
    ] {
        assert_eq!(
            role_of(&roles(name, format), &claims).as_deref(),
            expected.as_ref().copied(),
            "{name} {claims}"
        );
    }
}

#[test]
fn what_a_claim_says_is_never_read_as_a_condition() {
    let hostile = [
        "admins' || 'x' == 'x",
        "' in claims.groups || true || '",
        "admins\" in claims.groups || true || \"",
        "true",
        "admins",
        "\\u0061dmins",
        "*",
        ".*",
        "^",
        "admins\u{0}",
        "admins\n",
        "{\"admins\": true}",
        "[\"admins\"]",
    ];
    for value in hostile {
        // A rule of that value gives the role to exactly those who have exactly that value.
        let roles = rules([claim(value, "A")]).with_fallback(arn("F")).build().unwrap();
        for other in hostile {
            let expected = if other == value { "A" } else { "F" };
            assert_eq!(
                role_of(&roles, &json!({"groups": [other]})).as_deref(),
                Ok(expected),
                "{value:?} {other:?}"
            );
        }
        // And in an expression the claim remains a text.
        let roles = rules([
            when("claims.team == 'admins'", "A"),
            when("claims.team.matches('^admins$') && claims.team != 'admins'", "M"),
        ]);
        let roles = roles.with_fallback(arn("F")).build().unwrap();
        let expected = if value == "admins" { "A" } else { "F" };
        assert_eq!(role_of(&roles, &json!({"team": value})).as_deref(), Ok(expected), "{value:?}");
    }
    // Claims with names that mean something elsewhere are claims and no more.
    let roles = rules([when("tool.destructive || size(actor) > 0 || backend.name == 'x'", "A")]);
    let roles = roles.with_fallback(arn("F")).build().unwrap();
    let claims = json!({"tool": {"destructive": true}, "actor": [{}], "backend": {"name": "x"}, "tool.destructive": true});
    assert_eq!(role_of(&roles, &claims).as_deref(), Ok("F"));
}

#[test]
fn rules_see_what_the_call_is_about() {
    let roles = rules([
        when("backend.name == 'billing' && tool.destructive", "BillingOwner"),
        when("tool.read_only", "Reader"),
        when("tool.name.startsWith('put_')", "Writer"),
    ]);
    let roles = roles.build().unwrap();
    let role = |operation: Option<Operation>| {
        select(&roles, "alice", &json!({}), operation)
            .map(|role| role.arn().rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(role(None).as_deref(), Ok("Reader"));
    assert_eq!(role(Some(Operation::on("billing"))).as_deref(), Ok("Reader"));
    assert_eq!(
        role(Some(Operation::on("billing").calling(Tool::named("drop")))).as_deref(),
        Ok("BillingOwner")
    );
    assert_eq!(role(Some(Operation::on("files").calling(Tool::named("put_file")))).as_deref(), Ok("Writer"));
    assert_eq!(
        role(Some(Operation::on("files").calling(Tool::named("get").read_only()))).as_deref(),
        Ok("Reader")
    );
    assert_eq!(role(Some(Operation::on("files").calling(Tool::named("drop").additive()))), Err(Kind::NoRole));
    let by_method = rules([when("request.method == 'POST'", "Post")]).build().unwrap();
    assert_eq!(role_of(&by_method, &json!({})).as_deref(), Ok("Post"));
}
