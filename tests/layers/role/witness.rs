//! The same answers as `cel` gives by itself, which knows nothing of what is changed in an expression here.

use cel::{Context, Program, Value as Cel};
use countersign::expression::{Expression, Supposed};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, sync::Arc};

/// Conditions that look at claims `a`, `b` and `c`, each in another way.
const CONDITIONS: &[&str] = &[
    "'x' in claims.a",
    "7 in claims['a']",
    "'x' in claims.a.b",
    "'b' in claims.c",
    "claims.b in ['x', 'y']",
    "claims.b in claims.a",
    "has(claims.a)",
    "has(claims.a.b)",
    "has(claims.c) && claims.c == 'x'",
    "claims.a == ['x']",
    "{'b': ['x']} == claims.a",
    "claims.a.b == ['x']",
    "claims['a']['b'][0] == 'x'",
    "claims['a'].b[0] == 'x'",
    "claims.a.exists(one, one == 'x')",
    "claims.a.all(one, one in claims.b)",
    "claims.a[0] == claims.b",
    "claims[claims.b] == 7",
    "'x' in claims[claims.b]",
    "claims.b.startsWith('x')",
    "claims.b > 6",
    "claims.b + 1 == 8",
    "claims.c",
    "!claims.c",
    "'a' in claims",
    "size(claims.a) == 1",
    "type(claims.b) == string",
    "[claims.a, claims.b] == [claims.a, 7]",
    "claims['b.c'] == 1",
    "claims.b.c == 1",
    "'x' in claims['a.b']",
];

fn condition() -> impl Strategy<Value = String> {
    prop::sample::select(CONDITIONS).prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

fn claims() -> impl Strategy<Value = Value> {
    let value = prop::sample::select(vec![
        json!("x"),
        json!("a"),
        json!("b"),
        json!(7),
        json!(7.0),
        json!(true),
        json!(null),
        json!([]),
        json!(["x"]),
        json!([7, "y"]),
        json!([["x"]]),
        json!({}),
        json!({"b": ["x"]}),
        json!({"c": 1}),
    ]);
    let names = prop::sample::subsequence(vec!["a", "b", "c", "a.b", "b.c"], 0..=5);
    (names, prop::collection::vec(value, 5)).prop_map(|(names, values)| {
        Value::Object(names.into_iter().map(str::to_owned).zip(values).collect::<Map<_, _>>())
    })
}

/// Tests whether all that is on the way to what is searched is there, as an author would without our help.
fn guarded(condition: &str) -> String {
    [
        ("'x' in claims.a.b", "(has(claims.a) && has(claims.a.b) && 'x' in claims.a.b)"),
        ("'x' in claims[claims.b]", "((claims.b in claims) && 'x' in claims[claims.b])"),
        ("claims.b in claims.a", "(has(claims.a) && claims.b in claims.a)"),
        ("7 in claims['a']", "(has(claims.a) && 7 in claims['a'])"),
        ("'b' in claims.c", "(has(claims.c) && 'b' in claims.c)"),
        ("'x' in claims['a.b']", "(('a.b' in claims) && 'x' in claims['a.b'])"),
        ("one in claims.b", "(has(claims.b) && one in claims.b)"),
    ]
    .into_iter()
    .fold(condition.to_owned(), |condition, (written, meant)| condition.replace(written, meant))
    .replace("'x' in claims.a)", "has(claims.a) && 'x' in claims.a)")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_that_of_cel_with_what_is_absent_guarded(condition in condition(), claims in claims()) {
        let condition = format!("({condition})");
        prop_assume!(condition.len() < 1000);
        let Ok(ours) = Expression::compile(&condition) else { return Ok(()) };
        let mut all = claims.as_object().unwrap().clone();
        all.extend([("iss".to_owned(), json!("i")), ("sub".to_owned(), json!("s"))]);
        let mut context = Context::default();
        context.add_variable_from_value("claims", converted(&Value::Object(all.clone())));
        let theirs = Program::compile(&guarded(&condition)).unwrap().execute(&context).ok();
        let ours = ours.is_true(&Supposed::from_claims(all).unwrap().facts()).ok();
        prop_assert_eq!(ours.map(Cel::Bool), theirs.filter(|value| matches!(value, Cel::Bool(_))), "{}", condition);
    }
}

fn converted(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(value) => value.as_i64().map_or_else(|| Cel::Float(value.as_f64().unwrap()), Cel::Int),
        Value::String(value) => Cel::String(Arc::new(value.clone())),
        Value::Array(values) => Cel::List(Arc::new(values.iter().map(converted).collect())),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), converted(value)));
            members.collect::<HashMap<String, Cel>>().into()
        }
    }
}
