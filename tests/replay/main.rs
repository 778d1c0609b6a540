//! Every input that fuzzing kept, once more: the corpora and the inputs of bugs that were fixed.
//!
//! How they came about: `tests/fuzz/README.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "an input that fails, or cannot be read, fails the test"
)]

use countersign::Kind;
use countersign_tests::fuzz::{self, Outcome};
use std::{
    collections::HashSet,
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

#[test]
fn headers() {
    let reached = replay("header", fuzz::header);
    expect(
        &reached,
        &[
            Outcome::Unfit,
            Outcome::Refused(Kind::NoToken),
            Outcome::Refused(Kind::MalformedCredentials),
            Outcome::Refused(Kind::UnacceptableToken),
        ],
    );
}

#[test]
fn tokens() {
    let reached = replay("token", fuzz::token);
    expect(
        &reached,
        &[
            Outcome::Unfit,
            Outcome::Accepted,
            Outcome::Refused(Kind::ExpiredToken),
            Outcome::Refused(Kind::InsufficientScope),
            Outcome::Refused(Kind::UnacceptableToken),
        ],
    );
}

#[test]
fn key_sets() {
    let reached = replay("jwks", fuzz::jwks);
    expect(&reached, &[Outcome::Unfit, Outcome::Accepted, Outcome::Unreadable]);
}

/// Puts every file that is kept for `target` to it, and says which outcomes there were.
fn replay(target: &str, run: fn(&[u8]) -> Outcome) -> HashSet<Outcome> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let corpus = files(&root.join("corpus").join(target));
    assert!(!corpus.is_empty(), "no corpus is kept for {target}");
    let regressions = files(&root.join("regressions").join(target));
    println!(
        "{target}: {} inputs, {} of them regressions",
        corpus.len() + regressions.len(),
        regressions.len()
    );
    let one = |file: &PathBuf| {
        let input = fs::read(file).expect("an input can be read");
        panic::catch_unwind(AssertUnwindSafe(|| run(&input)))
            .unwrap_or_else(|_| panic!("{target} fails on {}", file.display()))
    };
    corpus.iter().chain(&regressions).map(one).collect()
}

/// A corpus that no longer gets behind the first check would prove nothing.
fn expect(reached: &HashSet<Outcome>, outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(reached.contains(outcome), "no input leads to {outcome:?}, only to {reached:?}");
    }
}

/// The files in a folder; none where there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files
}
