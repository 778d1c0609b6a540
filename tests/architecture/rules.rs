//! What a module may know of its crate, as data, and how a source is held against it.

use crate::{
    checkout::File,
    paths::{Path, paths},
};
use std::collections::BTreeSet;

/// Which of its crate's modules one module may name.
#[derive(Debug)]
pub(crate) enum May {
    /// These, and nothing else of the crate.
    Only(&'static [&'static str]),
    /// Everything but these.
    AllBut(&'static [&'static str]),
}

/// A module of a crate's root, and what it may know.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) module: &'static str,
    pub(crate) may: May,
    pub(crate) because: &'static str,
}

/// What the sources below `folder` name although their module may not.
pub(crate) fn breaches(folder: &str, rules: &[Rule], files: &[File]) -> Vec<String> {
    let roots: BTreeSet<String> =
        files.iter().filter_map(|file| file.below(folder)?.into_iter().next()).collect();
    let mut breaches = Vec::new();
    for file in files {
        let Some(place) = file.below(folder) else { continue };
        for rule in rules.iter().filter(|rule| place.first().is_some_and(|module| module == rule.module)) {
            for path in paths(&file.text) {
                let Some(known) = from_the_root(&path, &place, &roots) else {
                    continue;
                };
                if !rule.lets(&known) {
                    let at = file.path.display();
                    let (line, known) = (path.line, known.join("::"));
                    breaches.push(format!("{at}:{line} names crate::{known}, but {}", rule.because));
                }
            }
        }
    }
    breaches
}

impl Rule {
    fn lets(&self, known: &[&str]) -> bool {
        let inside = |allowed: &&str| known.starts_with(&allowed.split("::").collect::<Vec<_>>());
        let own = known.first() == Some(&self.module);
        own || match self.may {
            May::Only(modules) => modules.iter().any(inside),
            May::AllBut(modules) => !modules.iter().any(inside),
        }
    }
}

/// The path as it reads behind `crate::`, if it leads there.
fn from_the_root<'p>(path: &'p Path, place: &[String], roots: &BTreeSet<String>) -> Option<Vec<&'p str>> {
    let names = path.names();
    if let Some((&"crate", behind)) = names.split_first() {
        return (!behind.is_empty()).then(|| behind.to_vec());
    }
    let up = names.iter().take_while(|name| **name == "super").count();
    let behind = names.get(up..)?;
    // A file `a/mod.rs` is the module `a`. Modules inside a file are one deeper than it shows; there the name decides.
    let depth = place.len() - usize::from(place.last().is_some_and(|name| name == "mod"));
    let leads_up = up > 0 && up >= depth && roots.contains(*behind.first()?);
    leads_up.then(|| behind.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[Rule] = &[
        Rule { module: "low", may: May::Only(&["error", "high::shared"]), because: "low is low" },
        Rule { module: "high", may: May::AllBut(&["top"]), because: "high is not top" },
    ];

    fn breaches_of(path: &str, text: &str) -> Vec<String> {
        let others = ["src/top.rs", "src/error.rs", "src/high/mod.rs", "src/low/mod.rs"];
        let mut files: Vec<_> = others.map(|other| File::made_up(other, "")).into();
        files.push(File::made_up(path, text));
        breaches("src", RULES, &files)
    }

    #[test]
    fn what_is_allowed_passes() {
        for text in [
            "use crate::{error::Error, low::other, high::shared::Thing};",
            "use super::other; use super::super::error::Error;",
            "use std::sync::Arc; use top::Thing;",
            "// crate::top",
        ] {
            assert_eq!(breaches_of("src/low/file.rs", text), [""; 0], "{text}");
        }
        assert_eq!(breaches_of("src/high/file.rs", "use crate::low::Thing;"), [""; 0]);
        assert_eq!(breaches_of("src/unruled.rs", "use crate::top::Thing;"), [""; 0]);
    }

    #[test]
    fn every_way_to_name_it_is_found() {
        for text in [
            "use crate::top;",
            "use crate::{error, top::Thing as Other};",
            "use super::super::top::Thing;",
            "fn f() { crate::top::f() }",
            "vec![crate::top::f()]",
            "mod tests { use super::super::super::top; }",
            "use crate::Reexported;",
            "use crate::high;",
            "pub(crate) use crate::*;",
        ] {
            assert_eq!(breaches_of("src/low/file.rs", text).len(), 1, "{text}");
        }
        assert_eq!(
            breaches_of("src/high/mod.rs", "\nuse super::top::Thing;"),
            ["src/high/mod.rs:2 names crate::top::Thing, but high is not top"],
        );
        assert_eq!(breaches_of("src/low.rs", "use crate::top;").len(), 1);
    }
}
