//! What sessions are called.

use super::{arn, select};
use countersign::{
    Kind,
    role::{Roles, SessionName},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn roles(template: SessionName) -> Roles {
    Roles::builder().with_fallback(arn("F")).with_session_name(template).build().unwrap()
}

fn name(template: &str, subject: &str, claims: &Value) -> Result<String, Kind> {
    let roles = roles(template.parse().unwrap());
    select(&roles, subject, claims, None).map(|role| role.session_name().to_owned())
}

fn of_subject(subject: &str) -> String {
    name("{sub}", subject, &json!({})).unwrap()
}

fn is_valid(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

#[test]
fn names_of_all_kinds_are_valid_stable_and_distinct() {
    let long = "x".repeat(200);
    let longer = "x".repeat(201);
    let subjects = [
        "auth0|x",
        "auth0/x",
        "auth0-x",
        "auth0 x",
        "alice+aws@example.com",
        "alice aws@example.com",
        "🦀",
        "🐙",
        "x",
        "é",
        "e\u{301}",
        &long,
        &longer,
        "Alice",
        "alice",
        " alice",
        "alice\n",
        "\u{202e}alice",
        "spiffe://a/b",
        "a",
        "-",
    ];
    let mut names = BTreeMap::new();
    for subject in subjects {
        let name = of_subject(subject);
        assert!(is_valid(&name), "{subject:?} is called {name:?}");
        assert_eq!(name, of_subject(subject), "the same name each time");
        assert_eq!(names.insert(name, subject), None, "two people of one name, {subject:?} one of them");
    }
    for as_it_is in ["auth0-x", "alice+aws@example.com", "Alice", &"x".repeat(64)] {
        assert_eq!(of_subject(as_it_is), as_it_is);
    }
}

#[test]
fn a_template_takes_what_it_finds_or_refuses() {
    let claims = json!({"email": "alice@example.com", "team": {"name": "data"}, "n": 7});
    for (template, expected) in [
        ("{claims.email}", Ok("alice@example.com")),
        ("mcp-{claims.team.name}-{claims.n}", Ok("mcp-data-7")),
        ("{sub}@{claims.team.name}", Ok("7@data")),
        ("{claims.phone}", Err(Kind::RuleFailed)),
        ("{claims.team}", Err(Kind::RuleFailed)),
    ] {
        assert_eq!(name(template, "7", &claims).as_deref(), expected.as_ref().copied(), "{template}");
    }
    let strict = roles("{sub}".parse::<SessionName>().unwrap().strict());
    assert!(select(&strict, "alice@example.com", &json!({}), None).is_ok());
    assert_eq!(select(&strict, "auth0|x", &json!({}), None), Err(Kind::NoRole));
}

/// Subjects that become hard to tell apart once they are reduced.
fn subject() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c|/ -]{1,4}", "\\PC{1,80}", "[a-z0-9@.+-]{60,70}", "[a-b]-[a-b2-7]{16}", ".{1,200}",]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_two_people_have_valid_stable_and_distinct_names(one in subject(), other in subject()) {
        let names = [&one, &other].map(|subject| of_subject(subject));
        prop_assert!(names.iter().all(|name| is_valid(name)), "{:?}", names);
        prop_assert_eq!(&names[0], &of_subject(&one));
        prop_assert_eq!(one == other, names[0] == names[1]);
    }

    /// Whoever may choose their subject takes the name that somebody else was given, and gets another.
    #[test]
    fn nobody_gets_the_name_of_another_by_asking_for_it(victim in subject()) {
        let name = of_subject(&victim);
        if name != victim {
            prop_assert_ne!(of_subject(&name), name);
        }
    }

    #[test]
    fn two_people_who_differ_in_a_replaced_character_are_told_apart(
        before in "[a-z]{0,70}", a in "[|/:# ü🦀]", b in "[|/:# ü🦀]", after in "[a-z]{0,70}",
    ) {
        let [one, other] = [a, b].map(|between| format!("{before}{between}{after}"));
        prop_assert_eq!(one == other, of_subject(&one) == of_subject(&other));
    }
}
