//! The clients that an operator names, and what those may do that register themselves.

use super::{
    super::{
        diagnostic::Findings,
        raw::{self, Grant},
        redirect::Redirect,
        secret::resolve_secret,
    },
    within,
};
use secrecy::SecretString;
use serde_saphyr::Spanned;
use std::{collections::BTreeSet, time::Duration};

/// A client that the operator names.
#[derive(Debug)]
pub(crate) struct NamedClient {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) secret: Option<SecretString>,
    pub(crate) grants: BTreeSet<Grant>,
}

/// Whether clients may register themselves, and what keeps strangers from filling the store with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) open: bool,
    /// Whether clients may describe themselves at an address of theirs.
    pub(crate) documents: bool,
    /// Whether that may be on this machine.
    pub(crate) loopback_documents: bool,
    /// For how long a client that nobody uses is known.
    pub(crate) idle: Duration,
    pub(crate) hourly: u64,
    pub(crate) hourly_from_one_address: u64,
}

/// A secret that is shorter is guessed.
const SHORTEST_SECRET: usize = 16;

pub(super) fn resolve_clients(
    raw: Vec<Spanned<raw::NamedClient>>,
    findings: &mut Findings,
) -> Option<Vec<NamedClient>> {
    let count = raw.len();
    let mut clients: Vec<NamedClient> = Vec::new();
    for Spanned { value: raw, .. } in raw {
        let Spanned { value: id, referenced, .. } = &raw.id;
        let fits = |byte: u8| byte.is_ascii_graphic();
        if id.is_empty() || !id.bytes().all(fits) {
            findings.error(
                *referenced,
                format!("`{id}` cannot be a client's id"),
                "use letters without spaces",
            );
            continue;
        }
        if clients.iter().any(|other| other.id == *id) {
            findings.error(*referenced, format!("`{id}` is there twice"), "rename one of the two");
            continue;
        }
        clients.extend(resolve_client(raw, findings));
    }
    (clients.len() == count).then_some(clients)
}

fn resolve_client(raw: raw::NamedClient, findings: &mut Findings) -> Option<NamedClient> {
    use secrecy::ExposeSecret;
    let raw::NamedClient { id, name, redirect_uris, secret, grants } = raw;
    let grants = resolve_grants(&id, grants, secret.is_some(), findings)?;
    let secret = match secret {
        None => None,
        Some(reference) => {
            let secret = resolve_secret(&reference, findings)?;
            if secret.expose_secret().len() < SHORTEST_SECRET {
                let what = format!("the secret of `{}` is shorter than {SHORTEST_SECRET} bytes", id.value);
                findings.error(reference.referenced, what, "make one with `openssl rand -base64 32`");
                return None;
            }
            Some(secret)
        }
    };
    if redirect_uris.is_empty() && grants.contains(&Grant::AuthorizationCode) {
        let what = format!("nothing says where the browser goes back to for `{}`", id.value);
        findings.error(id.referenced, what, "add `redirect_uris: [https://…]`");
        return None;
    }
    let count = redirect_uris.len();
    let mut redirects = Vec::new();
    for Spanned { value: written, referenced, .. } in redirect_uris {
        match Redirect::parse(&written) {
            Ok(redirect) => redirects.push(redirect),
            Err(what) => {
                let remedy =
                    "write it as the client will, letter for letter, as in https://client.example/callback";
                findings.error(referenced, format!("`{written}` cannot be gone back to: {what}"), remedy);
            }
        }
    }
    (redirects.len() == count).then(|| NamedClient { id: id.value, name, redirects, secret, grants })
}

fn resolve_grants(
    id: &Spanned<String>,
    raw: Option<Vec<Spanned<Grant>>>,
    has_secret: bool,
    findings: &mut Findings,
) -> Option<BTreeSet<Grant>> {
    let Some(raw) = raw else { return Some([Grant::AuthorizationCode, Grant::RefreshToken].into()) };
    if raw.is_empty() {
        let what = format!("`{}` may have tokens in no way at all", id.value);
        findings.error(
            id.referenced,
            what,
            "remove `grants`, or name one, as in `grants: [client_credentials]`",
        );
        return None;
    }
    let proves_itself = [Grant::ClientCredentials, Grant::TokenExchange];
    if let Some(grant) = raw.iter().find(|grant| proves_itself.contains(&grant.value) && !has_secret) {
        let what = format!("`{}` gets tokens without a person, and anybody could pass for it", id.value);
        findings.error(grant.referenced, what, "add `secret: env:NAME`");
        return None;
    }
    Some(raw.into_iter().map(|grant| grant.value).collect())
}

pub(super) fn resolve_registration(raw: &raw::Registration, findings: &mut Findings) -> Option<Registration> {
    let idle = within(raw.idle_days.as_ref(), 90, 1..=3_650, "days", findings);
    let hourly = within(raw.hourly.as_ref(), 1_000, 1..=1_000_000, "registrations", findings);
    let bounds = 1..=1_000_000;
    let from_one = within(raw.hourly_from_one_address.as_ref(), 50, bounds, "registrations", findings);
    Some(Registration {
        open: raw.open.unwrap_or(true),
        documents: raw.documents.unwrap_or(true),
        loopback_documents: raw.dangerous_loopback_documents,
        idle: Duration::from_secs(u64::from(idle?) * 24 * 3600),
        hourly: hourly?.into(),
        hourly_from_one_address: from_one?.into(),
    })
}
