//! Public items, one line each.

use crate::rustdoc::{Document, Item};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Every type here has these, or they say nothing about how it is used.
const NOT_OF_NOTE: [&str; 6] = ["Debug", "Eq", "Hash", "PartialEq", "StructuralPartialEq", "Unpin"];

/// The lines of each public module.
#[derive(Debug, Default)]
pub(crate) struct List {
    modules: BTreeMap<String, BTreeSet<Line>>,
}

/// Sorted by name, and what belongs to a type comes after it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    name: String,
    member: Option<String>,
    kind: &'static str,
    documented: bool,
}

/// Walks through the modules.
struct Walk<'d> {
    document: &'d Document,
    /// Where items are that stand in a public module themselves.
    homes: BTreeMap<u64, String>,
    list: List,
}

impl List {
    pub(crate) fn of(document: &Document) -> Self {
        let mut walk = Walk { document, homes: BTreeMap::new(), list: Self::default() };
        let root = document.item(document.root).expect("the crate has a root");
        walk.find_homes(root, "countersign");
        walk.module(root, "countersign");
        walk.list
    }

    /// The items that have none, by their paths.
    pub(crate) fn undocumented(&self) -> Vec<String> {
        let bare = |(module, lines): (&String, &BTreeSet<Line>)| {
            let bare = lines.iter().filter(|line| !line.documented);
            bare.map(|line| format!("{} {module}::{}", line.kind, line.path())).collect::<Vec<_>>()
        };
        self.modules.iter().flat_map(bare).collect()
    }

    pub(crate) fn to_markdown(&self, update: &str) -> String {
        let count: usize = self.modules.values().map(BTreeSet::len).sum();
        let mut text = format!(
            "# What crate `countersign` exports\n\n\
             With every feature on: {count} lines. What an item does is in its documentation \
             (`cargo doc -p countersign --all-features --open`). Traits are listed where they tell how a type is used; \
             automatic and blanket implementations are left out.\n\n\
             This page is generated, and a test compares it with the crate: `{update}`.\n"
        );
        for (module, lines) in &self.modules {
            let _ = write!(text, "\n## `{module}`\n\n```text\n");
            for line in lines {
                let indent = if line.member.is_some() { "  " } else { "" };
                let _ = writeln!(text, "{indent}{} {}", line.kind, line.path());
            }
            text.push_str("```\n");
        }
        text
    }
}

impl Line {
    fn path(&self) -> String {
        match (&self.member, self.kind) {
            (None, _) => self.name.clone(),
            (Some(traits), "impl") => format!("{traits} for {}", self.name),
            (Some(member), _) => format!("{}::{member}", self.name),
        }
    }
}

impl<'d> Walk<'d> {
    fn find_homes(&mut self, module: &'d Item, path: &str) {
        for (id, item) in self.document.items(&module.inner().1["items"]) {
            if let ("module", _) = item.inner() {
                self.find_homes(item, &format!("{path}::{}", name(item)));
            }
            self.homes.insert(id, format!("{path}::{}", name(item)));
        }
    }

    fn module(&mut self, module: &'d Item, path: &str) {
        for (_, item) in self.document.items(&module.inner().1["items"]) {
            match item.inner() {
                ("module", _) => {
                    self.add(path, "mod", name(item), None, item.is_documented());
                    self.module(item, &format!("{path}::{}", name(item)));
                }
                ("use", import) => self.import(import, path),
                _ => self.item(item, name(item), path),
            }
        }
    }

    /// A re-export is where an item lives, unless it also stands in a public module.
    fn import(&mut self, import: &'d Value, path: &str) {
        assert_eq!(import["is_glob"], false, "the list does not follow `pub use …::*`: {import}");
        let name = import["name"].as_str().expect("a re-export has a name");
        let id = import["id"].as_u64();
        let home = id.and_then(|id| self.homes.get(&id));
        match (id.and_then(|id| self.document.item(id)), home) {
            (Some(item), None) => self.item(item, name, path),
            (_, home) => {
                let source = home.map(String::as_str).or(import["source"].as_str());
                let source = format!("{name} = {}", source.unwrap_or_default());
                self.add(path, "use", &source, None, true);
            }
        }
    }

    fn item(&mut self, item: &'d Item, name: &str, path: &str) {
        let (kind, inner) = item.inner();
        self.add(path, word(kind), name, None, item.is_documented());
        let kinds = &inner["kind"];
        for members in [&inner["items"], &inner["variants"], &kinds["plain"]["fields"], &kinds["tuple"]] {
            self.members(members, name, path);
        }
        let mut traits = BTreeSet::new();
        for (_, block) in self.document.items(&inner["impls"]) {
            let (_, block) = block.inner();
            match trait_of_note(block) {
                Some(name) => _ = traits.insert(name),
                None if block["trait"].is_null() => self.members(&block["items"], name, path),
                None => {}
            }
        }
        if !traits.is_empty() {
            let traits = traits.into_iter().collect::<Vec<_>>().join(", ");
            self.add(path, "impl", name, Some(&traits), true);
        }
    }

    fn members(&mut self, ids: &'d Value, owner: &str, path: &str) {
        for (_, item) in self.document.items(ids) {
            let (kind, inner) = item.inner();
            let of_a_tuple = name(item).bytes().all(|byte| byte.is_ascii_digit());
            self.add(path, word(kind), owner, Some(name(item)), item.is_documented() || of_a_tuple);
            if kind == "variant" {
                let owner = format!("{owner}::{}", name(item));
                for fields in [&inner["kind"]["struct"]["fields"], &inner["kind"]["tuple"]] {
                    self.members(fields, &owner, path);
                }
            }
        }
    }

    fn add(&mut self, path: &str, kind: &'static str, name: &str, member: Option<&str>, documented: bool) {
        let line = Line { name: name.to_owned(), member: member.map(str::to_owned), kind, documented };
        self.list.modules.entry(path.to_owned()).or_default().insert(line);
    }
}

fn name(item: &Item) -> &str {
    item.name.as_deref().unwrap_or_default()
}

/// The trait that `block` implements, with its argument where that tells one implementation from another.
fn trait_of_note(block: &Value) -> Option<String> {
    if block["is_synthetic"] == true || !block["blanket_impl"].is_null() {
        return None;
    }
    let path = block["trait"]["path"].as_str()?;
    let name = path.rsplit("::").next().filter(|name| !NOT_OF_NOTE.contains(name))?;
    let argument = &block["trait"]["args"]["angle_bracketed"]["args"][0]["type"]["resolved_path"];
    let plain = argument["args"].is_null().then(|| argument["path"].as_str()).flatten();
    Some(match plain.and_then(|path| path.rsplit("::").next()) {
        Some(argument) => format!("{name}<{argument}>"),
        None => name.to_owned(),
    })
}

/// As it is written in Rust.
fn word(kind: &str) -> &'static str {
    match kind {
        "struct" => "struct",
        "enum" => "enum",
        "union" => "union",
        "trait" => "trait",
        "function" => "fn",
        "variant" => "variant",
        "struct_field" => "field",
        "type_alias" | "assoc_type" => "type",
        "constant" | "assoc_const" => "const",
        "static" => "static",
        "macro" | "proc_macro" => "macro",
        other => panic!("the list has no word for {other:?}"),
    }
}
