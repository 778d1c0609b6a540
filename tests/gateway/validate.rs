//! `countersign validate`: every problem at once, with its place and what to do.

use crate::gateway::{configuration, validate, written};
use countersign_fixtures::{clock::Clock, world::World};
use serde_json::Value;

#[tokio::test]
async fn a_good_configuration_is_valid() {
    let world = World::start(Clock::default()).await;
    let file = written(&configuration(&world));
    let (code, out) = validate(file.path(), &[]).await;
    assert!(out.ends_with(&format!("{} is valid\n", file.path().display())), "{out}");
    assert_eq!(code, 0);
    let (code, out) = validate(file.path(), &["--format", "json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["valid"]), (0, &Value::Bool(true)));
    // Addresses that nobody verified are a risk that is worth a word.
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| problem["severity"] == "warning"), "{out}");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let file = written(
        "\
listen: 0.0.0.0:8080
identity:
  issuers:
    - issuer: http://login.example.com
backends:
  a__b:
    url: ftp://example.com/mcp
    auth:
      aws:
        roles:
          rules:
            - when: 'claims.groups.'
              role: arn:aws:iam::123456789012:role/Admin
            - when: nobody.knows
              role: arn:aws:iam::123456789012:role/Admin
            - role: arn:aws:iam::123456789012:role/Admin
          fallback: arn:aws:iam::1:role/User
        session_name: '{claims.email'
",
    );
    let (code, out) = validate(file.path(), &["--format", "json"]).await;
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    let places: Vec<_> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            assert!(!problem["remedy"].as_str().unwrap().is_empty(), "{problem}");
            (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap())
        })
        .collect();
    for line in [1, 4, 6, 7, 12, 14, 16, 17, 18] {
        assert!(places.iter().any(|(at, _)| *at == line), "nothing about line {line}: {places:?}");
    }
}

#[tokio::test]
async fn a_slip_is_understood() {
    let world = World::start(Clock::default()).await;
    for (right, wrong, hint) in [
        ("backends:", "backend:", "did you mean `backends`?"),
        ("aws:", "awz:", "did you mean `aws`?"),
        ("fallback:", "falback:", "did you mean `fallback`?"),
        ("    url:", "    uri:", "did you mean `url`?"),
        ("service: execute-api\n", "\n", "add `service:`"),
    ] {
        let file = written(&configuration(&world).replacen(right, wrong, 1));
        let (code, out) = validate(file.path(), &[]).await;
        assert_eq!(code, 1, "{wrong}: {out}");
        assert!(out.contains(hint) && out.contains(&format!("{}:", file.path().display())), "{wrong}: {out}");
    }
}
