//! Who may do what.

use super::{authorization_server::AuthorizationServer, callers::Callers, diagnostic::Findings, raw};
use countersign::expression::Expression;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

/// Who may do what: whoever meets one of the rules, and everybody where there are none.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) rules: Vec<Permit>,
    /// What each issuer's tokens need to be accepted at all.
    required: BTreeMap<String, Vec<String>>,
    /// Where the rules' scopes are written.
    places: Vec<(String, Location)>,
}

/// Lets those do something for whom it is true, if their token has these scopes.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) when: Expression,
    pub(crate) scopes: Vec<String>,
}

impl Access {
    /// Whether everybody may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether somebody's rights depend on what a call is made with.
    pub(crate) fn looks_at_arguments(&self) -> bool {
        let mut references = self.rules.iter().flat_map(|rule| rule.when.references());
        references.any(|name| name == "arguments" || name.starts_with("arguments."))
    }

    /// What a token of `issuer` needs besides the scopes of a rule.
    pub(crate) fn required_of(&self, issuer: &str) -> &[String] {
        self.required.get(issuer).map_or(&[], Vec::as_slice)
    }

    /// Holds the scopes of the rules against who may grant them.
    pub(super) fn granted_to(
        &mut self,
        callers: &Callers,
        server: Option<&AuthorizationServer>,
        findings: &mut Findings,
    ) {
        let issuers = match callers {
            Callers::Known(issuers) => issuers,
            Callers::Anonymous { .. } => {
                for (scope, place) in &self.places {
                    let what = format!("nobody could be granted the scope `{scope}`: callers are anonymous");
                    findings.error(*place, what, "remove it here, or say who callers are under `identity`");
                }
                return;
            }
        };
        let required =
            issuers.iter().map(|issuer| (issuer.name().to_owned(), issuer.required_scopes().to_vec()));
        self.required = required.collect();
        let Some(server) = server.filter(|_| issuers.is_empty()) else { return };
        for (scope, place) in self.places.iter().filter(|(scope, _)| !server.scopes.contains(scope)) {
            let what = format!("nobody could be granted the scope `{scope}`");
            findings.error(*place, what, "add it to `authorization_server.scopes`, or remove it here");
        }
    }
}

pub(super) fn resolve_access(raw: Option<raw::Authorization>, findings: &mut Findings) -> Option<Access> {
    let Some(raw) = raw else { return Some(Access::default()) };
    if raw.rules.value.is_empty() {
        let remedy = "add a rule that is true for somebody, or remove `authorization`";
        findings.error(raw.rules.referenced, "without any rule nobody could do anything", remedy);
        return None;
    }
    let mut places = Vec::new();
    let resolved = raw.rules.value.into_iter().map(|rule| resolve_rule(rule, &mut places, findings));
    // All of them, so that every mistake is told.
    let resolved: Vec<_> = resolved.collect();
    let rules = resolved.into_iter().collect::<Option<_>>()?;
    Some(Access { rules, required: BTreeMap::new(), places })
}

fn resolve_rule(
    raw: Spanned<raw::Permit>,
    places: &mut Vec<(String, Location)>,
    findings: &mut Findings,
) -> Option<Permit> {
    let Spanned { value: raw::Permit { when, scopes }, referenced, .. } = raw;
    let compiled = Expression::compile(&when);
    let remedy = "correct the expression; docs/aggregate.md says what there is to look at";
    let when = compiled.map_err(|error| findings.error(referenced, error.to_string(), remedy)).ok();
    if when.as_ref().is_some_and(|when| when.source().contains("/list'") || when.source().contains("/list\""))
    {
        let what = "no rule is asked about a list: it holds what may be called, got or read";
        findings.warn(referenced, what, "ask about `tools/call`, `prompts/get` or `resources/read`");
    }
    let mut names = Vec::new();
    let mut complete = true;
    for Spanned { value: scope, referenced, .. } in scopes {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if scope.is_empty() || !scope.bytes().all(fits) {
            findings.error(referenced, format!("`{scope}` cannot be a scope"), "use letters without spaces");
            complete = false;
        } else if !names.contains(&scope) {
            places.push((scope.clone(), referenced));
            names.push(scope);
        }
    }
    let when = when?;
    complete.then_some(Permit { when, scopes: names })
}
