//! Issuers whose word counts about people who never sign in here.

use super::{
    super::{diagnostic::Findings, near::nearest, raw},
    claims::OURS,
};
use countersign::identity::{Issuer, Verifier};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

/// One of them, and what its word is worth.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) issuer: String,
    /// Whether assertions that it makes for us are redeemed (RFC 7523).
    pub(crate) assertions: bool,
    /// Whom its tokens are for that are exchanged here (RFC 8693).
    pub(crate) exchanged_audience: Option<String>,
    pub(crate) claims: BTreeSet<String>,
    pub(crate) scopes: BTreeSet<String>,
}

/// `offered` are the scopes that there are, where those are right.
pub(super) fn resolve_trusted(
    raw: Vec<raw::TrustedIssuer>,
    offered: Option<&BTreeSet<String>>,
    findings: &mut Findings,
) -> Option<Vec<TrustedIssuer>> {
    let count = raw.len();
    let mut trusted: Vec<TrustedIssuer> = Vec::new();
    for one in raw {
        let Spanned { value: name, referenced, .. } = &one.issuer;
        if trusted.iter().any(|other| other.issuer == *name) {
            findings.error(*referenced, format!("`{name}` is named twice"), "remove one of the two");
            continue;
        }
        trusted.extend(resolve_one(one, offered, findings));
    }
    (trusted.len() == count).then_some(trusted)
}

fn resolve_one(
    raw: raw::TrustedIssuer,
    offered: Option<&BTreeSet<String>>,
    findings: &mut Findings,
) -> Option<TrustedIssuer> {
    let raw::TrustedIssuer { issuer, assertions, exchanged_audience, claims, scopes } = raw;
    let Spanned { value: issuer, referenced: place, .. } = issuer;
    let attempt = Verifier::builder().trust(Issuer::new(&issuer, "anything")).build();
    let remedy = "write the issuer as its tokens do, in https, such as https://login.example.com";
    attempt.map_err(|error| findings.error(place, error.to_string(), remedy)).ok()?;
    if !assertions && exchanged_audience.is_none() {
        let what = format!("nothing says what `{issuer}` is trusted for");
        findings.error(place, what, "add `assertions: true`, or `exchanged_audience: …` for its tokens");
        return None;
    }
    if let Some(Spanned { referenced, .. }) = exchanged_audience.as_ref().filter(|text| text.value.is_empty())
    {
        let what = "an audience is empty";
        findings.error(*referenced, what, "name the `aud` of the tokens that are exchanged");
        return None;
    }
    let mut sound = true;
    for Spanned { value: claim, referenced, .. } in &claims {
        if claim.is_empty() || OURS.contains(&claim.as_str()) {
            let what = format!("`{claim}` is what our tokens say by themselves");
            findings.error(*referenced, what, "remove it");
            sound = false;
        }
    }
    for Spanned { value: scope, referenced, .. } in &scopes {
        let Some(offered) = offered.filter(|offered| !offered.contains(scope)) else { continue };
        let known: Vec<&str> = offered.iter().map(String::as_str).collect();
        let remedy = nearest(scope, &known).map_or_else(
            || "add it to `authorization_server.scopes`, or remove it here".to_owned(),
            |word| format!("did you mean `{word}`?"),
        );
        findings.error(*referenced, format!("`{scope}` is no scope that there is here"), remedy);
        sound = false;
    }
    let words = |words: Vec<Spanned<String>>| words.into_iter().map(|word| word.value).collect();
    sound.then(|| TrustedIssuer {
        issuer,
        assertions,
        exchanged_audience: exchanged_audience.map(|text| text.value),
        claims: words(claims),
        scopes: words(scopes),
    })
}
