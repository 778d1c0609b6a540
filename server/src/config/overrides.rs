//! What the operator says of a tool in place of its backend.

use super::{diagnostic::Findings, raw};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

/// What clients are told of a tool, and what goes into each of its calls. Values are JSON.
#[derive(Debug, Default)]
pub(crate) struct Override {
    pub(crate) description: Option<String>,
    pub(crate) annotations: Vec<(&'static str, String)>,
    pub(crate) arguments: BTreeMap<String, Argument>,
}

/// An argument that goes into calls.
#[derive(Debug)]
pub(crate) struct Argument {
    /// Whether clients neither see nor give it; otherwise it is what is meant where they give none.
    pub(crate) fixed: bool,
    pub(crate) json: String,
}

impl Argument {
    /// The argument as the member of an object.
    pub(crate) fn as_member(&self, name: &str) -> String {
        format!("{}:{}", Value::from(name), self.json)
    }
}

/// Overrides by the backend's names; of tools that `is_shown`, since nobody hears of the others.
pub(super) fn resolve_overrides(
    raw: Option<raw::Named<Spanned<raw::Override>>>,
    is_shown: impl Fn(&str) -> bool,
    findings: &mut Findings,
) -> Option<BTreeMap<String, Override>> {
    let mut resolved = BTreeMap::new();
    let mut complete = true;
    for (name, Spanned { value, referenced, .. }) in raw.into_iter().flat_map(|raw::Named(tools)| tools) {
        if !is_shown(&name.value) {
            let what = format!("`{}` is overridden, and no client sees it", name.value);
            let remedy = "name a tool as its backend does, or let `allow` and `deny` show this one";
            findings.error(name.referenced, what, remedy);
            complete = false;
        }
        let Some(made) = resolve_override(value, referenced, findings) else {
            complete = false;
            continue;
        };
        if resolved.insert(name.value.clone(), made).is_some() {
            let what = format!("`{}` is overridden twice", name.value);
            findings.error(name.referenced, what, "write everything about a tool in one place");
            complete = false;
        }
    }
    complete.then_some(resolved)
}

fn resolve_override(raw: raw::Override, place: Location, findings: &mut Findings) -> Option<Override> {
    let raw::Override { description, annotations, arguments } = raw;
    let annotations = annotations.map(said).unwrap_or_default();
    let mut resolved = BTreeMap::new();
    let mut complete = true;
    for (name, argument) in arguments.into_iter().flat_map(|raw::Named(arguments)| arguments) {
        let raw::Argument { fixed, default } = argument.value;
        let (fixed, value) = match (fixed, default) {
            (Some(value), None) => (true, value),
            (None, Some(value)) => (false, value),
            (fixed, _) => {
                let has = if fixed.is_some() { "both `fixed` and" } else { "neither `fixed` nor" };
                let what = format!("`{}` has {has} `default`", name.value);
                let remedy =
                    "write `fixed: VALUE` for what clients never give, `default: VALUE` for what they may";
                findings.error(argument.referenced, what, remedy);
                complete = false;
                continue;
            }
        };
        let argument = Argument { fixed, json: value.to_string() };
        if resolved.insert(name.value.clone(), argument).is_some() {
            findings.error(name.referenced, format!("`{}` is there twice", name.value), "remove one");
            complete = false;
        }
    }
    if description.is_none() && annotations.is_empty() && resolved.is_empty() && complete {
        let remedy = "add `description`, `annotations` or `arguments`, or remove it";
        findings.error(place, "this overrides nothing", remedy);
        complete = false;
    }
    let description = description.map(|text| Value::from(text).to_string());
    complete.then_some(Override { description, annotations, arguments: resolved })
}

fn said(raw: raw::Annotations) -> Vec<(&'static str, String)> {
    let raw::Annotations { title, read_only_hint, destructive_hint, idempotent_hint, open_world_hint } = raw;
    let hints = [
        ("readOnlyHint", read_only_hint),
        ("destructiveHint", destructive_hint),
        ("idempotentHint", idempotent_hint),
        ("openWorldHint", open_world_hint),
    ];
    let title = title.map(|title| ("title", Value::from(title).to_string()));
    let hints = hints.into_iter().filter_map(|(name, hint)| Some((name, hint?.to_string())));
    title.into_iter().chain(hints).collect()
}
