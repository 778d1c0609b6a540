//! Expressions that nobody should write, and that must do no harm.

use countersign::expression::{Expression, Supposed};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

fn supposed(claims: &Value) -> Supposed {
    let mut all = claims.as_object().unwrap().clone();
    all.extend([("iss".to_owned(), json!("i")), ("sub".to_owned(), json!("s"))]);
    Supposed::from_claims(all).unwrap()
}

fn on_stack<T: Send + 'static>(kibibytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(kibibytes * 1024).spawn(work).unwrap().join().unwrap()
}

/// Pieces of expressions, so that a good part of what is put together from them parses.
const PIECES: &[&str] = &[
    "claims",
    "claims.a",
    "claims['b c']",
    "tool.name",
    "actor",
    "upstream",
    "x",
    "'a'",
    "r'\\d'",
    "1",
    "2.5",
    "true",
    "null",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    ":",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "<",
    ">=",
    "==",
    "!=",
    "&&",
    "||",
    " in ",
    "has(",
    "size(",
    ".exists(x,",
    ".all(x,",
    ".map(x,",
    ".filter(x,",
    ".matches('a+')",
    ".startsWith(",
    "// c\n",
    "\"",
    "'",
    "\\",
    "\n",
    "b'",
    "'''",
    "🦀",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES);
    prop_oneof![
        prop::collection::vec(piece.clone(), 0..60).prop_map(|pieces| pieces.concat()),
        // The same few again and again, which is what goes deep.
        (prop::collection::vec(piece, 1..4), 1_usize..400).prop_map(|(pieces, n)| pieces.concat().repeat(n)),
        ".{0,200}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// An overflow would abort the whole test process.
    #[test]
    fn whatever_is_written_is_answered_on_a_small_stack_and_soon(source in soup()) {
        let start = Instant::now();
        let compiled = on_stack(256, move || Expression::compile(&source));
        prop_assert!(start.elapsed() < Duration::from_secs(10));
        match compiled {
            Ok(expression) => {
                let caller = supposed(&json!({"a": ["a"], "b c": 1}));
                let _answered = on_stack(2048, move || expression.is_true(&caller.facts()));
            }
            Err(error) => prop_assert!(error.marked().contains('^')),
        }
    }
}

/// In a build without optimisation the parser alone would need megabytes for each of these.
#[test]
fn nothing_that_is_written_overflows_a_small_stack() {
    let hostile: Vec<String> = [
        ("1+", "1", ""),
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("- ", "1", ""),
        ("a.b(", "1", ")"),
        ("size(", "1", ")"),
        ("true?1:", "1", ""),
        ("true&&", "true", ""),
        ("claims.a||", "true", ""),
        ("1<", "1", ""),
        ("claims.x[", "1", "]"),
        ("claims.x.map(x,", "x", ")"),
        ("", "claims", ".a"),
        ("", "claims", "[0]"),
        ("", "claims.a", ".size()"),
        ("'", "", ""),
        ("((", "1", ")"),
        ("//", "", ""),
    ]
    .into_iter()
    .flat_map(|(before, middle, after)| {
        [10, 20, 33, 60, 100, 340, 5000].map(|n| before.repeat(n) + middle + &after.repeat(n))
    })
    .collect();
    let accepted =
        on_stack(256, move || hostile.iter().filter(|source| Expression::compile(source).is_ok()).count());
    assert!(accepted > 0);
}

/// The deepest that is accepted, on what a worker thread of tokio has.
#[test]
fn what_is_accepted_is_evaluated_on_any_stack() {
    let deepest = (1..40)
        .rev()
        .find_map(|n| Expression::compile(&("1+".repeat(n) + "1 == 32 || claims.a")).ok())
        .unwrap();
    assert!(deepest.source().len() > 60, "{deepest}");
    let answer = on_stack(2048, move || deepest.is_true(&supposed(&json!({"a": true})).facts()));
    assert_eq!(answer, Ok(true));
}

#[test]
fn somebody_with_thousands_of_claims_is_one_more_caller() {
    let names: Vec<String> = (0..3000).map(|n| format!("c{n}")).collect();
    let mut claims: Map<String, Value> = names.iter().map(|name| (name.clone(), json!(1))).collect();
    claims.insert("names".to_owned(), json!(names));
    let rule = Expression::compile("claims.names.all(name, claims[name] == 1)").unwrap();
    let answer = on_stack(1024, move || rule.is_true(&supposed(&Value::Object(claims)).facts()));
    assert_eq!(answer, Ok(true));
}

/// What is refused at load is refused there, and the process goes on.
#[test]
fn what_is_too_complex_is_refused_with_its_place() {
    for (source, problem) in [
        (
            "1+".repeat(400) + "1 > 0",
            "it is nested deeper than 32 levels; split it into several rules (line 1, column 66)",
        ),
        (
            "(".repeat(500) + &")".repeat(500),
            "it is nested deeper than 32 levels; split it into several rules (line 1, column 33)",
        ),
        ("!".repeat(900) + "true && claims.a.b", "accepted"),
        ("claims.a || ".repeat(80) + "claims.b", "accepted"),
        (
            "claims.a || ".repeat(90) + "claims.b",
            "it is longer than 1024 bytes; split it into several rules (line 1, column 1)",
        ),
        (
            "claims.a.all(x, claims.a.all(y, x == y))".to_owned(),
            "a loop inside a loop may take too long (line 1, column 29)",
        ),
    ] {
        let said =
            Expression::compile(&source).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert_eq!(said, problem, "{source}");
    }
}

/// The largest claims that fit into a request's headers, and the most that one loop does with them.
#[test]
fn the_longest_loop_ends_soon() {
    let groups: Vec<String> = (0..4000).map(|n| format!("g{n}")).collect();
    let caller = supposed(&json!({"groups": groups}));
    let source = "claims.groups.all(g, g in claims.groups && g.matches('^(a|b|g)[0-9]+$'))";
    let start = Instant::now();
    assert_eq!(Expression::compile(source).unwrap().is_true(&caller.facts()), Ok(true));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
