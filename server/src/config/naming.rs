//! What clients call the tools and prompts of backends.

use super::{diagnostic::Findings, near::nearest, raw, tools::Tools};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

/// How long a name may be that clients are told: many refuse longer ones.
pub(crate) const LONGEST_NAME: usize = 64;
/// What a template may add to a backend's name, so that every shortened name still begins with the whole prefix.
const LONGEST_TEMPLATE: usize = 16;
const PLACE: &str = "{backend}";

/// How names of several backends stay apart.
#[derive(Debug)]
pub(crate) enum Naming {
    /// Each begins with this, one prefix for each backend. None begins with another.
    Prefixed(Vec<String>),
    /// They stay as they are. Of several that are the same, one counts: that of the backend that comes first here.
    Plain { order: Vec<usize> },
    /// The operator names them, for each backend; others stay as they are.
    Manual(Vec<Named>),
}

/// By the backend's names, what clients call its tools and prompts.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) tools: BTreeMap<String, String>,
    pub(crate) prompts: BTreeMap<String, String>,
}

/// Whether clients accept a name, all of them.
pub(crate) fn fits(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    name.len() <= LONGEST_NAME && name.chars().all(fits)
}

/// What was written of the names of these backends, of which `tools` says what clients see.
pub(super) fn resolve_naming(
    raw: Option<raw::Naming>,
    backends: &[(Spanned<String>, raw::Backend)],
    tools: &[Tools],
    findings: &mut Findings,
) -> Option<Naming> {
    let names: Vec<&str> = backends.iter().map(|(name, _)| name.value.as_str()).collect();
    let in_order = || Naming::Plain { order: (0..names.len()).collect() };
    let Some(raw::Naming { prefix, priority, manual }) = raw else {
        return if names.len() > 1 {
            prefixed(&names, "{backend}__", Location::UNKNOWN, findings)
        } else {
            Some(in_order())
        };
    };
    let places = [
        prefix.as_ref().map(|prefix| prefix.referenced),
        priority.as_ref().map(|priority| priority.referenced),
        manual.as_ref().map(|manual| manual.referenced),
    ];
    let mut places = places.into_iter().flatten();
    if let (Some(_), Some(second)) = (places.next(), places.next()) {
        let remedy = "keep one of `prefix`, `priority` and `manual`";
        findings.error(second, "names stay apart in two ways", remedy);
        return None;
    }
    let naming = match (prefix, priority, manual) {
        (Some(prefix), ..) => match prefix.value.as_str() {
            "backend" => prefixed(&names, "{backend}__", prefix.referenced, findings),
            "none" => Some(in_order()),
            template => prefixed(&names, template, prefix.referenced, findings),
        },
        (_, Some(priority), _) => by_priority(&names, &priority, findings),
        (.., Some(manual)) => by_hand(manual.value, backends, tools, findings),
        _ if names.len() > 1 => prefixed(&names, "{backend}__", Location::UNKNOWN, findings),
        _ => Some(in_order()),
    };
    if let Some(Naming::Plain { .. }) = naming {
        warn_of_renamed(backends, findings);
    }
    naming
}

/// What each backend's names begin with. Whose a name is has to be told from the name alone: a backend may have new tools at
/// any time, and must not come by another's calls with them.
fn prefixed(names: &[&str], template: &str, place: Location, findings: &mut Findings) -> Option<Naming> {
    let (before, after) = match parts_of(template) {
        Ok(parts) => parts,
        Err(what) => {
            let what = format!("`{template}` {what}");
            let remedy = "choose among: backend, none, or a template such as '{backend}_'";
            findings.error(place, what, remedy);
            return None;
        }
    };
    let prefixes: Vec<_> = names.iter().map(|name| format!("{before}{name}{after}")).collect();
    for (name, prefix) in names.iter().zip(&prefixes) {
        let others = names.iter().zip(&prefixes).filter(|(other, _)| *other != name);
        let mut longer =
            others.filter_map(|(other, longer)| Some((other, longer.strip_prefix(prefix.as_str())?)));
        if let Some((other, rest)) = longer.next() {
            let what = format!(
                "with `{template}`, a tool `{rest}x` of `{name}` and a tool `x` of `{other}` are the same"
            );
            findings.error(place, what, "write '{backend}__', or rename one of the backends");
            return None;
        }
    }
    Some(Naming::Prefixed(prefixes))
}

/// What stands before and after a backend's name.
fn parts_of(template: &str) -> Result<(&str, &str), String> {
    let (before, after) = template.split_once(PLACE).ok_or_else(|| match unknown_place(template) {
        Some(unknown) => format!("has `{unknown}`, and there is only `{PLACE}`"),
        None => format!("does not say where the backend's name belongs, `{PLACE}`"),
    })?;
    if let Some(unknown) = unknown_place(before).or(unknown_place(after)) {
        return Err(format!("has `{unknown}`, and there is only `{PLACE}`, once"));
    }
    if !fits(before) || !fits(after) {
        return Err(
            "has letters that clients refuse in names: there are A-Z, a-z, 0-9, `_` and `-`".to_owned()
        );
    }
    if before.len() + after.len() > LONGEST_TEMPLATE {
        return Err(format!(
            "adds more than {LONGEST_TEMPLATE} letters to names that may have {LONGEST_NAME}"
        ));
    }
    Ok((before, after))
}

fn unknown_place(text: &str) -> Option<&str> {
    let start = text.find('{')?;
    let end = text.get(start..)?.find('}').map_or(text.len(), |end| start + end + 1);
    text.get(start..end)
}

fn by_priority(
    names: &[&str],
    priority: &Spanned<Vec<Spanned<String>>>,
    findings: &mut Findings,
) -> Option<Naming> {
    let mut order = Vec::new();
    let mut complete = true;
    for Spanned { value: name, referenced, .. } in &priority.value {
        let Some(place) = place_of(name, names, *referenced, findings) else {
            complete = false;
            continue;
        };
        if order.contains(&place) {
            findings.error(*referenced, format!("`{name}` is in the list twice"), "remove one");
            complete = false;
        }
        order.push(place);
    }
    for (place, name) in names.iter().enumerate() {
        if complete && !order.contains(&place) {
            let what = format!("nothing says when the names of `{name}` count");
            findings.error(priority.referenced, what, "add it to the list, at the end where it comes last");
            complete = false;
        }
    }
    complete.then_some(Naming::Plain { order })
}

fn by_hand(
    raw: raw::Named<raw::NamedByHand>,
    backends: &[(Spanned<String>, raw::Backend)],
    tools: &[Tools],
    findings: &mut Findings,
) -> Option<Naming> {
    let names: Vec<&str> = backends.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut named: Vec<Named> = names.iter().map(|_| Named::default()).collect();
    let (mut taken_tools, mut taken_prompts) = (BTreeMap::new(), BTreeMap::new());
    let mut complete = true;
    for (backend, of_backend) in raw.0 {
        let place = place_of(&backend.value, &names, backend.referenced, findings);
        let place = place.and_then(|place| Some((named.get_mut(place)?, tools.get(place))));
        let Some((named, tools)) = place else {
            complete = false;
            continue;
        };
        let lists = [
            (of_backend.tools, &mut named.tools, &mut taken_tools, tools),
            (of_backend.prompts, &mut named.prompts, &mut taken_prompts, None),
        ];
        for (raw, named, taken, tools) in lists {
            for (theirs, ours) in raw.into_iter().flat_map(|raw::Named(names)| names) {
                let hidden = tools.is_some_and(|tools| tools.shown(&theirs.value).is_none());
                if let Err((what, remedy)) = name(&theirs.value, &ours.value, hidden, taken, named) {
                    findings.error(ours.referenced, what, remedy);
                    complete = false;
                }
                taken.entry(ours.value).or_insert_with(|| backend.value.clone());
            }
        }
    }
    let renamed =
        backends.iter().filter_map(|(_, backend)| backend.tools.as_ref()?.rename.as_ref()?.0.first());
    for (_, to) in renamed {
        let what = "tools have names of the operator's in two places: here, and in `naming.manual`";
        findings.error(to.referenced, what, "move these to `naming.manual`");
        complete = false;
    }
    complete.then_some(Naming::Manual(named))
}

/// Gives one of a backend's a name, unless that is no name for it, or one that another has.
fn name(
    theirs: &str,
    ours: &str,
    hidden: bool,
    taken: &BTreeMap<String, String>,
    named: &mut BTreeMap<String, String>,
) -> Result<(), (String, &'static str)> {
    if !fits(ours) || ours.is_empty() {
        let what = format!("`{ours}` is no name that all clients accept");
        return Err((what, "use up to 64 letters of A-Z, a-z, 0-9, `_` and `-`"));
    }
    if hidden {
        let what = format!("`{theirs}` has a name, and no client sees it");
        return Err((what, "remove it, or let `allow` and `deny` show this one"));
    }
    if let Some(other) = taken.get(ours) {
        let what = format!("`{ours}` is the name of one of `{other}` already");
        return Err((what, "give every one a name of its own"));
    }
    match named.insert(theirs.to_owned(), ours.to_owned()) {
        Some(_) => Err((format!("`{theirs}` has two names"), "remove one")),
        None => Ok(()),
    }
}

fn place_of(name: &str, names: &[&str], place: Location, findings: &mut Findings) -> Option<usize> {
    let found = names.iter().position(|known| *known == name);
    if found.is_none() {
        let choice = || format!("choose among: {}", names.join(", "));
        let remedy = nearest(name, names).map_or_else(choice, |meant| format!("did you mean `{meant}`?"));
        findings.error(place, format!("no backend is called `{name}`"), remedy);
    }
    found
}

/// Without prefixes, two tools may be given one name by hand; then one of them is there for nobody.
fn warn_of_renamed(backends: &[(Spanned<String>, raw::Backend)], findings: &mut Findings) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (backend, of_backend) in backends {
        let renamed = of_backend.tools.iter().filter_map(|tools| tools.rename.as_ref());
        for (_, to) in renamed.flat_map(|raw::Named(renamed)| renamed) {
            match taken.get(to.value.as_str()) {
                Some(other) if *other != backend.value => {
                    let what = format!("`{}` is what a tool of `{other}` is renamed to, too", to.value);
                    findings.warn(to.referenced, what, "give one of them another name, or only one is there");
                }
                _ => {
                    taken.insert(&to.value, &backend.value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefixes(names: &[&str], template: &str) -> Result<Vec<String>, String> {
        let mut findings = Findings::in_file("a.yaml");
        match prefixed(names, template, Location::UNKNOWN, &mut findings) {
            Some(Naming::Prefixed(prefixes)) => Ok(prefixes),
            _ => Err(findings.into_problems().first().map(ToString::to_string).unwrap_or_default()),
        }
    }

    #[test]
    fn a_template_says_where_the_backends_name_belongs() {
        assert_eq!(prefixes(&["a", "b-c"], "{backend}_").unwrap(), ["a_", "b-c_"]);
        assert_eq!(prefixes(&["a", "b"], "x-{backend}").unwrap(), ["x-a", "x-b"]);
        for (template, what) in [
            ("front", "does not say where"),
            ("{backnd}_", "`{backnd}`"),
            ("{backend}_{tool}", "`{tool}`"),
            ("{backend}{backend}", "once"),
            ("{backend", "`{backend`"),
            ("{backend}.", "letters that clients refuse"),
            ("{backend}/", "letters that clients refuse"),
            ("{backend}_and_much_more_than_fits", "more than 16 letters"),
        ] {
            let problem = prefixes(&["a", "b"], template).unwrap_err();
            assert!(problem.contains(what) && problem.contains("choose among"), "{problem}");
        }
    }

    #[test]
    fn a_template_that_does_not_tell_backends_apart_is_refused() {
        let problem = prefixes(&["a_b", "a"], "{backend}_").unwrap_err();
        assert!(problem.contains("a tool `b_x` of `a` and a tool `x` of `a_b`"), "{problem}");
        assert!(prefixes(&["a_b", "a"], "{backend}__").is_ok());
        assert!(prefixes(&["ab", "a"], "{backend}").is_err());
    }

    proptest! {
        #[test]
        fn whose_a_name_is_is_told_by_the_name_alone(
            names in proptest::collection::btree_set("[a-c]([_-]?[a-c]){0,3}", 2..5),
            template in prop_oneof![Just("{backend}_"), Just("{backend}__"), Just("m-{backend}"), Just("{backend}-")],
            tool in "[a-c_-]{0,6}",
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            if let Ok(prefixes) = prefixes(&names, template) {
                for prefix in &prefixes {
                    let name = format!("{prefix}{tool}");
                    let owners = prefixes.iter().filter(|other| name.starts_with(other.as_str())).count();
                    prop_assert_eq!(owners, 1);
                }
            } else {
                prop_assert_ne!(template, "{backend}__");
            }
        }
    }
}
