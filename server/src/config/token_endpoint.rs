//! Where tokens are had, and who this server is there.

use super::{
    diagnostic::Findings,
    raw::{self, ClientAuthentication as How},
    secret::{resolve_file, resolve_secret},
};
use countersign::token_endpoint::{ClientAuthentication, ClientKey, ConfigError, TokenEndpoint};
use secrecy::{ExposeSecret, SecretString};
use serde_saphyr::{Location, Spanned};

/// The endpoint; `known` is its address where the configuration need not name it.
pub(super) fn resolve_endpoint(
    raw: raw::Endpoint<'_>,
    known: Option<&str>,
    findings: &mut Findings,
) -> Option<TokenEndpoint> {
    let url = raw.token_url.map(|url| url.value.as_str()).or(known);
    if url.is_none() {
        let what = "nothing says where tokens are had";
        findings.error(raw.client_id.referenced, what, "add `token_url: https://…` beside it");
    }
    let client = resolve_client(raw, findings);
    let authorities = raw.authorities.map(|path| resolve_file(path, findings));
    let endpoint = TokenEndpoint::new(url?, client?);
    let endpoint = match authorities {
        Some(pem) => endpoint.with_authorities(pem?),
        None => endpoint,
    };
    Some(if raw.private_addresses { endpoint.dangerous_allow_private_addresses() } else { endpoint })
}

/// Each of a library's complaints, which say what and after that what to do, at `place`.
pub(super) fn complain(error: &ConfigError, place: Location, findings: &mut Findings) {
    for problem in error.problems() {
        let (what, remedy) = problem.split_once("; ").unwrap_or((problem, "correct it"));
        findings.error(place, what, remedy);
    }
}

/// What authenticates us follows from what there is to do it with; what is said besides has to fit.
pub(super) fn resolve_client(
    raw: raw::Endpoint<'_>,
    findings: &mut Findings,
) -> Option<ClientAuthentication> {
    let id = &raw.client_id.value;
    match (raw.client_authentication.map(|how| how.value), raw.client_secret, raw.private_key) {
        (None, Some(secret), None) if raw.secret_in_form => {
            Some(ClientAuthentication::post(id, secret_of(raw, secret, findings)?))
        }
        (None | Some(How::Basic), Some(secret), None) => {
            Some(ClientAuthentication::basic(id, secret_of(raw, secret, findings)?))
        }
        (Some(How::Post), Some(secret), None) => {
            Some(ClientAuthentication::post(id, secret_of(raw, secret, findings)?))
        }
        (None | Some(How::PrivateKeyJwt), None, Some(key)) => signing(raw, key, findings),
        (Some(How::None), None, None) => Some(ClientAuthentication::public(id)),
        (how, ..) => {
            let place = raw.client_authentication.map_or(raw.client_id.referenced, |how| how.referenced);
            let (what, remedy) = match how {
                None => (
                    "nothing says how this server shows who it is",
                    "add `client_secret: env:NAME`, or `private_key: file:PATH` with a `key_id`; \
                     a client without either says `client_authentication: none`",
                ),
                Some(How::Basic | How::Post) => (
                    "this authentication needs `client_secret` and no key",
                    "add it by reference, as in env:NAME",
                ),
                Some(How::PrivateKeyJwt) => (
                    "this authentication needs `private_key` and no secret",
                    "add `private_key: file:PATH` and `key_id`",
                ),
                Some(How::None) => ("a client that shows nothing has no secret and no key", "remove them"),
            };
            findings.error(place, what, remedy);
            None
        }
    }
}

fn secret_of(
    raw: raw::Endpoint<'_>,
    secret: &Spanned<String>,
    findings: &mut Findings,
) -> Option<SecretString> {
    only_with_a_key(raw, findings);
    resolve_secret(secret, findings)
}

fn signing(
    raw: raw::Endpoint<'_>,
    key: &Spanned<String>,
    findings: &mut Findings,
) -> Option<ClientAuthentication> {
    let pem = resolve_secret(key, findings);
    let Some(key_id) = raw.key_id else {
        let remedy = "add `key_id:`, the `kid` under which the server has the public half";
        findings.error(key.referenced, "the key has no name", remedy);
        return None;
    };
    let parsed = ClientKey::from_pem(pem?.expose_secret(), &key_id.value);
    let parsed = parsed.map_err(|error| complain(&error, key.referenced, findings)).ok()?;
    let client = ClientAuthentication::private_key_jwt(&raw.client_id.value, parsed);
    Some(match raw.assertion_audience {
        Some(audience) => client.with_assertion_audience(&audience.value),
        None => client,
    })
}

fn only_with_a_key(raw: raw::Endpoint<'_>, findings: &mut Findings) {
    for (name, given) in [("key_id", raw.key_id), ("assertion_audience", raw.assertion_audience)] {
        if let Some(given) = given {
            let what = format!("`{name}` belongs to a `private_key`, and there is none");
            findings.error(given.referenced, what, "remove it");
        }
    }
}
