//! Headers and parameters of the query with values from the configuration, and headers of the client's that go along.

use super::{diagnostic::Findings, raw::Named, secret::resolve_secret};
use axum::http::{HeaderName, Uri, header};
use countersign::{
    attach::{FixedHeaders, FixedHeadersBuilder},
    proof::ForwardHeaders,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_saphyr::Spanned;
use std::fmt;

/// A backend's address with secrets in it.
#[derive(Clone)]
pub(crate) struct SecretUri(Uri);

/// What needs no escape in a query (RFC 3986, section 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl SecretUri {
    pub(crate) fn expose(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUri")
    }
}

/// Which of its own headers a client sends along.
pub(super) fn resolve_forwarding(
    raw: Vec<Spanned<String>>,
    findings: &mut Findings,
) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    let mut complete = true;
    for Spanned { value: name, referenced, .. } in raw {
        let (what, remedy) = match HeaderName::try_from(&name) {
            Err(_) => (format!("`{name}` is no header's name"), "use letters, digits and hyphens"),
            Ok(parsed) if ForwardHeaders::never_allows(&parsed) => (
                format!("`{name}` never goes along: it is the caller's own, or one connection's"),
                "remove it; what the backend needs to know of the caller is what `auth` is for",
            ),
            Ok(parsed) if is_mcps(&parsed) => {
                (format!("`{name}` is the protocol's own"), "remove it; it goes along where it has to")
            }
            Ok(parsed) => {
                names.push(parsed);
                continue;
            }
        };
        findings.error(referenced, what, remedy);
        complete = false;
    }
    complete.then_some(names)
}

/// The headers, each of which is no client's to decide.
pub(super) fn resolve_headers(
    raw: Named<Spanned<String>>,
    forwarded: &[HeaderName],
    findings: &mut Findings,
) -> Option<FixedHeaders> {
    let Named(raw) = raw;
    let (mut builder, mut complete, mut seen) = (FixedHeaders::builder(), true, Vec::new());
    for (name, reference) in raw {
        let Spanned { value: name, referenced, .. } = name;
        let value = resolve_secret(&reference, findings);
        let parsed = HeaderName::try_from(&name).ok();
        let problem = match &parsed {
            Some(parsed) if is_mcps(parsed) => Some(("is the protocol's own", "remove it")),
            Some(parsed) if forwarded.contains(parsed) => Some((
                "is among `forward_headers` too",
                "keep one: the configuration decides it, or the client",
            )),
            Some(parsed) if seen.contains(parsed) => Some(("is there twice", "remove one")),
            _ => None,
        };
        if let Some((what, remedy)) = problem {
            findings.error(referenced, format!("header `{name}` {what}"), remedy);
        }
        let put = |builder: FixedHeadersBuilder, value: SecretString| match &parsed {
            // A client may send it by the usual list, and has no say here.
            Some(parsed) if ForwardHeaders::default().allows(parsed) => builder.replacing(&name, value),
            _ => builder.with(&name, value),
        };
        let alone = value.clone().map(|value| put(FixedHeaders::builder(), value).build());
        if let Some(Err(invalid)) = &alone {
            for told in invalid.problems() {
                findings.error(referenced, told, "correct the name, or the value where it is kept");
            }
        }
        complete &= problem.is_none() && matches!(alone, Some(Ok(_)));
        if let Some(value) = value {
            builder = put(builder, value);
        }
        seen.extend(parsed);
    }
    complete.then(|| builder.build().ok()).flatten()
}

/// `url` with parameters added to its query.
pub(super) fn resolve_query(
    raw: Named<Spanned<String>>,
    url: Option<&Uri>,
    findings: &mut Findings,
) -> Option<SecretUri> {
    let Named(raw) = raw;
    let before = url.and_then(Uri::query).unwrap_or_default();
    let mut named: Vec<String> = before.split('&').filter_map(named_in).collect();
    let (mut query, mut complete) = (before.to_owned(), true);
    for (name, reference) in raw {
        let Spanned { value: name, referenced, .. } = name;
        let value = resolve_secret(&reference, findings);
        if name.is_empty() || named.contains(&name) {
            let what = format!("the query has `{name}` already, or it is no name");
            findings.error(referenced, what, "rename one of the two, or remove it");
            complete = false;
        }
        let Some(value) = value else {
            complete = false;
            continue;
        };
        let (key, value) =
            (utf8_percent_encode(&name, PLAIN), utf8_percent_encode(value.expose_secret(), PLAIN));
        let and = if query.is_empty() { "" } else { "&" };
        query.push_str(&format!("{and}{key}={value}"));
        named.push(name);
    }
    let url = url.filter(|_| complete)?;
    let mut parts = url.clone().into_parts();
    let with_query = format!("{}?{query}", url.path());
    parts.path_and_query = with_query.parse().ok();
    Uri::from_parts(parts).ok().map(SecretUri)
}

fn named_in(pair: &str) -> Option<String> {
    let name = pair.split('=').next().filter(|name| !name.is_empty())?;
    percent_decode_str(name).decode_utf8().ok().map(|name| name.into_owned())
}

/// What the protocol decides on every request.
fn is_mcps(name: &HeaderName) -> bool {
    name.as_str().starts_with("mcp-")
        || [header::ACCEPT, header::CONTENT_TYPE, HeaderName::from_static("last-event-id")].contains(name)
}
