//! Expressions that nobody should write, and that must do no harm.

use countersign::expression::{Expression, Supposed};
use proptest::prelude::*;
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};

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
        let compiled = thread::Builder::new().stack_size(256 * 1024).spawn(move || Expression::compile(&source));
        let compiled = compiled.unwrap().join();
        prop_assert!(start.elapsed() < Duration::from_secs(10));
        match compiled.unwrap() {
            Ok(expression) => {
                let claims = json!({"iss": "i", "sub": "s", "a": ["a"], "b c": 1});
                let caller = Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap();
                let evaluated = thread::Builder::new().stack_size(2 * 1024 * 1024);
                let answer = evaluated.spawn(move || expression.is_true(&caller.facts()).map_err(|e| e.to_string()));
                prop_assert!(answer.unwrap().join().is_ok());
            }
            Err(error) => prop_assert!(error.marked().contains('^')),
        }
    }
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
    let claims = json!({"iss": "i", "sub": "s", "groups": groups});
    let caller = Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap();
    let source = "claims.groups.all(g, g in claims.groups && g.matches('^(a|b|g)[0-9]+$'))";
    let start = Instant::now();
    assert_eq!(Expression::compile(source).unwrap().is_true(&caller.facts()), Ok(true));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
