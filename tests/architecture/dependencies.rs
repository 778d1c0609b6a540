//! Which crates each member may depend on.

use crate::checkout::root;
use serde_json::Value;
use std::process::Command;

/// One line of a member's dependency list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dependency<'m> {
    member: &'m str,
    name: &'m str,
    for_tests: bool,
    optional: bool,
}

#[test]
fn members_depend_on_nothing_they_may_not_know() {
    let workspace = metadata();
    let dependencies = dependencies(&workspace);
    for member in ["countersign", "countersign-server", "countersign-fixtures"] {
        assert!(workspace.to_string().contains(&format!("\"name\":\"{member}\"")), "there is no {member}");
    }
    assert!(dependencies.len() > 10, "cargo tells of {} dependencies only", dependencies.len());
    assert_eq!(breaches(&dependencies), [""; 0]);
}

fn breaches(dependencies: &[Dependency<'_>]) -> Vec<String> {
    let broken = |dependency: &Dependency<'_>| {
        let because = why_not(*dependency)?;
        Some(format!("{} depends on {}, but {because}", dependency.member, dependency.name))
    };
    dependencies.iter().filter_map(broken).collect()
}

fn why_not(dependency: Dependency<'_>) -> Option<&'static str> {
    let Dependency { member, name, for_tests, optional } = dependency;
    match (member, name) {
        ("countersign", "axum") => (!for_tests).then_some("the library knows axum-core only"),
        ("countersign", "axum-core") => (!for_tests && !optional).then_some("axum is behind a feature"),
        ("countersign", "redis") => Some("the library knows no store"),
        ("countersign", "rmcp") => Some("the library knows no MCP"),
        ("countersign", "serde-saphyr" | "toml" | "schemars") => Some("the library knows no config format"),
        ("countersign", "countersign-server") => Some("the server is built on the library"),
        ("countersign-fixtures", "countersign" | "countersign-server") => {
            Some("an oracle that shares code with its subject shares its bugs")
        }
        ("countersign" | "countersign-server", "countersign-fixtures") => {
            (!for_tests && !optional).then_some("the doubles are for tests and the feature `demo`")
        }
        _ => None,
    }
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo built this test");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo cannot tell: {complaint}");
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn dependencies(workspace: &Value) -> Vec<Dependency<'_>> {
    let mut dependencies = Vec::new();
    for member in list(workspace, "packages") {
        for dependency in list(member, "dependencies") {
            dependencies.push(Dependency {
                member: text(member, "name"),
                name: text(dependency, "name"),
                for_tests: dependency.get("kind").and_then(Value::as_str) == Some("dev"),
                optional: dependency.get("optional").and_then(Value::as_bool) == Some(true),
            });
        }
    }
    dependencies
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn these_rules_can_be_broken() {
    let made_up = |member, name, kind, optional| {
        let workspace = serde_json::json!({ "packages": [{
            "name": member,
            "dependencies": [{ "name": name, "kind": kind, "optional": optional }],
        }]});
        breaches(&dependencies(&workspace)).len()
    };
    let (normal, dev) = (Value::Null, Value::from("dev"));
    assert_eq!(made_up("countersign", "axum", &normal, true), 1);
    assert_eq!(made_up("countersign", "axum", &dev, false), 0);
    assert_eq!(made_up("countersign", "axum-core", &normal, false), 1);
    assert_eq!(made_up("countersign", "axum-core", &normal, true), 0);
    assert_eq!(made_up("countersign", "redis", &normal, true), 1);
    assert_eq!(made_up("countersign", "rmcp", &dev, false), 1);
    assert_eq!(made_up("countersign", "serde-saphyr", &normal, false), 1);
    assert_eq!(made_up("countersign-fixtures", "countersign", &dev, false), 1);
    assert_eq!(made_up("countersign-fixtures", "countersign-server", &normal, false), 1);
    assert_eq!(made_up("countersign-server", "countersign-fixtures", &normal, false), 1);
    assert_eq!(made_up("countersign-server", "countersign-fixtures", &normal, true), 0);
    assert_eq!(made_up("countersign-server", "countersign", &normal, false), 0);
}
