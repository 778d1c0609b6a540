//! Other issuers whose word counts for services.

use super::super::{diagnostic::Findings, raw};
use countersign::identity::{Issuer, Verifier};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

/// An issuer whose word counts for services.
#[derive(Clone, Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: String,
    /// Whether it vouches for people in assertions for us (RFC 7523).
    pub(crate) assertions: bool,
    /// What its tokens are for that services exchange (RFC 8693).
    pub(crate) subject_audience: Option<String>,
    pub(crate) claims: BTreeSet<String>,
    /// What can be granted on its word, at most.
    pub(crate) scopes: BTreeSet<String>,
}

pub(super) fn resolve_trusted(
    raw: Vec<raw::TrustedIssuer>,
    offered: Option<&BTreeSet<String>>,
    findings: &mut Findings,
) -> Option<Vec<TrustedIssuer>> {
    let count = raw.len();
    let mut trusted: Vec<TrustedIssuer> = Vec::new();
    for raw in raw {
        let Spanned { value: name, referenced, .. } = raw.issuer;
        let unfit = Verifier::builder().trust(Issuer::new(&name, "anything")).build().err();
        if let Some(error) = unfit {
            let remedy = "write the issuer as its tokens do, in https, such as https://login.example.com";
            findings.error(referenced, error.to_string(), remedy);
            continue;
        }
        if trusted.iter().any(|other| other.name == name) {
            findings.error(referenced, format!("`{name}` is named twice"), "remove one of the two");
            continue;
        }
        if !raw.assertions && raw.subject_audience.is_none() {
            let what = format!("nothing says what the word of `{name}` counts for");
            findings.error(referenced, what, "add `assertions: true`, or `subject_audience:`");
            continue;
        }
        let unknown =
            raw.scopes.iter().find(|scope| offered.is_some_and(|offered| !offered.contains(&scope.value)));
        if let Some(scope) = unknown {
            let what = format!("`{}` is no scope of this server", scope.value);
            findings.error(scope.referenced, what, "add it to `scopes`, or remove it here");
            continue;
        }
        trusted.push(TrustedIssuer {
            name,
            assertions: raw.assertions,
            subject_audience: raw.subject_audience.map(|audience| audience.value),
            claims: raw.claims.into_iter().map(|claim| claim.value).collect(),
            scopes: raw.scopes.into_iter().map(|scope| scope.value).collect(),
        });
    }
    (trusted.len() == count).then_some(trusted)
}
