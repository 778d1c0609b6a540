//! What the library exports, against `docs/api.md`: small, listed, and every item documented.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever is missing here fails the test, and a JSON value that is not there is null"
)]

mod list;
mod rustdoc;

use list::List;
use rustdoc::Document;
use std::{collections::BTreeSet, env, fs, path::Path};

/// How the list is brought up to date.
const UPDATE: &str = "UPDATE_API=1 cargo test -p countersign-tests --test api";

#[test]
fn what_is_exported_is_listed_and_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let document = Document::parse(&rustdoc::run(root)).unwrap_or_else(|problem| panic!("{problem}"));
    let list = List::of(&document);

    let undocumented = list.undocumented();
    assert!(undocumented.is_empty(), "without documentation:\n  {}", undocumented.join("\n  "));

    let (file, current) = (root.join("docs/api.md"), list.to_markdown(UPDATE));
    if env::var_os("UPDATE_API").is_some() {
        fs::write(&file, &current).expect("docs/api.md can be written");
    }
    let recorded = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        recorded == current,
        "docs/api.md is not what the crate exports. Only in the file: -, only in the crate: +\n{}\
         If that is meant: {UPDATE}",
        difference(&recorded, &current)
    );
}

/// The lines that only one of the two has.
fn difference(recorded: &str, current: &str) -> String {
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (recorded.lines().collect(), current.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}\n"));
    let new = after.difference(&before).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}
