//! rustdoc's JSON, as far as the list needs it.

use serde::Deserialize;
use serde_json::Value;
use std::{collections::HashMap, env, fs, path::Path, process::Command};

/// What rustdoc of Rust 1.95 writes. Of a newer format, first see what has changed in the fields that are read here.
const FORMAT: u64 = 57;

/// A documented crate: its public items by their ids.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) root: u64,
    index: HashMap<u64, Item>,
}

/// One item.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    /// Impls and re-exports have none.
    #[serde(default)]
    pub(crate) name: Option<String>,
    docs: Option<String>,
    inner: HashMap<String, Value>,
}

/// Documents crate `countersign` with every feature.
pub(crate) fn run(root: &Path) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = env!("CARGO_TARGET_TMPDIR");
    let file = Path::new(target).with_file_name("doc").join("countersign.json");
    // What another run left behind must not be taken for the answer of this one.
    let _ = fs::remove_file(&file);
    let output = Command::new(cargo)
        .args(["rustdoc", "--locked", "--package=countersign", "--all-features", "--lib", "--target-dir"])
        .arg(Path::new(target).with_file_name(""))
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .env("RUSTDOC", root.join("tests/api/rustdoc.sh"))
        .current_dir(root)
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo rustdoc failed:\n{said}");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}\n{said}", file.display()))
}

impl Document {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(json).map_err(|error| format!("no JSON: {error}"))?;
        let format = document["format_version"].as_u64();
        if format != Some(FORMAT) {
            return Err(format!(
                "this rustdoc writes JSON of format {format:?}, and the reader knows {FORMAT}: use the Rust version \
                 that Cargo.toml names, or teach tests/api/rustdoc.rs the new format",
            ));
        }
        Self::deserialize(document).map_err(|error| format!("not as format {FORMAT} should be: {error}"))
    }

    /// `None` for what belongs to another crate.
    pub(crate) fn item(&self, id: u64) -> Option<&Item> {
        self.index.get(&id)
    }

    /// The items that `ids` names, where they are this crate's.
    pub(crate) fn items<'d>(&'d self, ids: &'d Value) -> impl Iterator<Item = (u64, &'d Item)> {
        let ids = ids.as_array().map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(Value::as_u64).filter_map(|id| Some((id, self.item(id)?)))
    }
}

impl Item {
    /// What it is, in rustdoc's words, and what is known about it.
    pub(crate) fn inner(&self) -> (&str, &Value) {
        let inner = self.inner.iter().next();
        inner.map_or(("nothing", &Value::Null), |(kind, inner)| (kind, inner))
    }

    pub(crate) fn is_documented(&self) -> bool {
        self.docs.as_ref().is_some_and(|docs| !docs.trim().is_empty())
    }
}

#[test]
fn another_format_is_refused_in_plain_words() {
    let problem = Document::parse(r#"{"format_version": 1, "root": 0, "index": {}}"#).unwrap_err();
    assert!(problem.contains("format Some(1)") && problem.contains("knows 57"), "{problem}");
}
