//! Which tools of a backend there are for clients.

use super::{
    diagnostic::Findings,
    overrides::{Override, resolve_overrides},
    raw,
};
use regex::Regex;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Which tools of one backend clients see and call, and by which names.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    allow: Option<Vec<Pattern>>,
    deny: Vec<Pattern>,
    /// By the backend's name.
    rename: BTreeMap<String, String>,
    /// By the backend's name.
    pub(crate) overrides: BTreeMap<String, Override>,
    /// Whether only those are there that say they change nothing.
    pub(crate) read_only: bool,
    /// Whether the backend's rules look at what a tool does.
    pub(crate) are_asked_about: bool,
}

/// Names of tools.
#[derive(Debug)]
enum Pattern {
    /// Fixed parts, and anything between them.
    Parts(Vec<String>),
    Regex(Regex),
}

impl Tools {
    /// Whether every tool is there under its own name.
    pub(crate) fn change_nothing(&self) -> bool {
        !self.hide_some() && self.rename.is_empty() && self.overrides.is_empty()
    }

    /// Whether some of the backend's are not there.
    pub(crate) fn hide_some(&self) -> bool {
        self.allow.is_some() || !self.deny.is_empty() || self.read_only
    }

    /// What clients call a tool of the backend's; `None` where it is none of theirs.
    pub(crate) fn shown<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        let allowed = self.allow.as_deref().is_none_or(any) && !any(&self.deny);
        allowed.then(|| self.rename.get(name).map_or(name, String::as_str))
    }

    /// What the backend calls a tool of the clients'; `None` where there is none.
    pub(crate) fn original<'n>(&'n self, shown: &'n str) -> Option<&'n str> {
        let renamed = self.rename.iter().find(|(_, to)| *to == shown).map(|(from, _)| from.as_str());
        let original = renamed.unwrap_or(shown);
        self.shown(original).filter(|again| *again == shown).map(|_| original)
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.is_match(name),
            Self::Parts(parts) => {
                let Some((first, rest)) = parts.split_first() else { return false };
                let Some(mut left) = name.strip_prefix(first.as_str()) else { return false };
                let Some((last, between)) = rest.split_last() else { return left.is_empty() };
                for part in between {
                    let Some((_, after)) = left.split_once(part.as_str()) else { return false };
                    left = after;
                }
                left.ends_with(last.as_str())
            }
        }
    }
}

pub(super) fn resolve_tools(raw: &mut raw::Backend, findings: &mut Findings) -> Option<Tools> {
    let are_asked_about = raw.auth.as_ref().is_some_and(|auth| looks_at_tools(&auth.value));
    let Some(tools) = &mut raw.tools else {
        return Some(Tools { read_only: raw.read_only, are_asked_about, ..Tools::default() });
    };
    let allow = tools.allow.as_ref().map(|patterns| resolve_patterns(patterns, findings));
    let deny = resolve_patterns(&tools.deny, findings);
    let mut rename = BTreeMap::new();
    for (from, to) in tools.rename.iter().flat_map(|raw::Named(renamed)| renamed) {
        let taken = rename.values().any(|known| *known == to.value) || rename.contains_key(&from.value);
        if to.value.is_empty() || taken {
            let what =
                format!("`{}` cannot become `{}`, which is empty or there twice", from.value, to.value);
            findings.error(to.referenced, what, "give every tool a name of its own");
            return None;
        }
        rename.insert(from.value.clone(), to.value.clone());
    }
    let allow = match allow {
        Some(allow) => Some(allow?),
        None => None,
    };
    let read_only = raw.read_only;
    let shown = Tools { allow, deny: deny?, rename, read_only, are_asked_about, ..Tools::default() };
    let overrides = resolve_overrides(tools.overrides.take(), |name| shown.shown(name).is_some(), findings)?;
    Some(Tools { overrides, ..shown })
}

fn resolve_patterns(patterns: &[Spanned<String>], findings: &mut Findings) -> Option<Vec<Pattern>> {
    let parsed: Vec<_> = patterns.iter().map(|pattern| resolve_pattern(pattern, findings)).collect();
    parsed.into_iter().collect()
}

fn resolve_pattern(pattern: &Spanned<String>, findings: &mut Findings) -> Option<Pattern> {
    let Spanned { value: text, referenced, .. } = pattern;
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(source) => match Regex::new(&format!("^(?:{source})$")) {
            Ok(regex) => Some(Pattern::Regex(regex)),
            Err(_) => {
                let what = format!("`{text}` is no regular expression");
                findings.error(*referenced, what, "correct it, or write a name with `*` in it");
                None
            }
        },
        None => Some(Pattern::Parts(text.split('*').map(str::to_owned).collect())),
    }
}

/// Whether somebody has to know what a tool does before it is called.
fn looks_at_tools(auth: &raw::Auth) -> bool {
    let raw::Auth::Aws(aws) = auth else { return false };
    let rules = aws.value.roles.iter().flat_map(|roles| &roles.value.rules);
    rules.filter_map(|rule| rule.value.when.as_ref()).any(|when| when.value.contains("tool"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(allow: Option<&[&str]>, deny: &[&str], rename: &[(&str, &str)]) -> Tools {
        let mut findings = Findings::in_file("a.yaml");
        let mut parsed = |patterns: &[&str]| {
            let place = serde_saphyr::Location::UNKNOWN;
            let patterns: Vec<_> =
                patterns.iter().map(|text| Spanned::new((*text).to_owned(), place, place)).collect();
            resolve_patterns(&patterns, &mut findings).unwrap()
        };
        let rename = rename.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Tools { allow: allow.map(&mut parsed), deny: parsed(deny), rename, ..Tools::default() }
    }

    #[test]
    fn what_is_allowed_and_not_denied_is_shown() {
        let tools = tools(Some(&["get_*", "*_all*", "/list_[a-z]+/", "one"]), &["get_secret*"], &[]);
        for (name, shown) in [
            ("get_item", true),
            ("get_secret_item", false),
            ("find_all_of_them", true),
            ("list_items", true),
            ("list_items2", false),
            ("one", true),
            ("one_more", false),
            ("", false),
        ] {
            assert_eq!(tools.shown(name).is_some(), shown, "{name}");
            assert_eq!(tools.original(name).is_some(), shown, "{name}");
        }
    }

    #[test]
    fn a_renamed_tool_has_one_name() {
        let tools = tools(None, &["hidden"], &[("old", "new"), ("hidden", "seen"), ("swap", "old")]);
        assert_eq!((tools.shown("old"), tools.original("new")), (Some("new"), Some("old")));
        assert_eq!((tools.shown("swap"), tools.original("old")), (Some("old"), Some("swap")));
        assert_eq!((tools.shown("hidden"), tools.original("seen")), (None, None));
        assert_eq!(tools.original("swap"), None);
        assert!(Tools::default().change_nothing() && !tools.change_nothing());
    }
}
