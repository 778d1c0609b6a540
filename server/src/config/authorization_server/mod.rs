//! Who signs people in, what clients get of it, and for how long.

mod claims;
mod clients;
mod presets;
mod trusted;
mod upstreams;

pub(crate) use self::{
    claims::Claim,
    clients::{NamedClient, Registration},
    trusted::TrustedIssuer,
    upstreams::{Asked, OAuth2, Oidc, Provider, Upstream, endpoint_at},
};

use self::{
    claims::resolve_claims, clients::resolve_clients, trusted::resolve_trusted, upstreams::resolve_upstreams,
};
use super::{diagnostic::Findings, providers::Known, raw};
use serde_saphyr::Spanned;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// An authorization server, in front of at least one upstream.
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    /// The first one says who somebody is.
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) clients: Vec<NamedClient>,
    pub(crate) scopes: BTreeSet<String>,
    /// What tokens may be for, besides our own endpoint.
    pub(crate) resources: Vec<String>,
    pub(crate) trusted: Vec<TrustedIssuer>,
    pub(crate) registration: Registration,
    pub(crate) sign_ins: SignIns,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) algorithm: raw::Algorithm,
    /// For how long a key signs.
    pub(crate) turn: Duration,
}

/// How many sign-ins may begin in a minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignIns {
    pub(crate) minutely: u32,
    pub(crate) minutely_from_one_address: u32,
}

/// For how long what is issued is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) access: Duration,
    pub(crate) refresh: Duration,
    pub(crate) code: Duration,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// What was written, and what the places that name a provider are held against. The outer `None` is a mistake that
/// `findings` tells, the inner one a configuration without any. `own` is our resource, where it is known.
pub(super) fn resolve_authorization_server(
    raw: Option<raw::AuthorizationServer>,
    own: Option<&str>,
    findings: &mut Findings,
) -> (Option<Option<AuthorizationServer>>, Known) {
    let Some(raw) = raw else { return (Some(None), Known::Nobody) };
    let raw::AuthorizationServer {
        upstreams,
        claims,
        clients,
        scopes,
        resources,
        trusted_issuers,
        registration,
        sign_ins,
        lifetimes,
        signing,
    } = raw;
    let (upstreams, carried, names) = resolve_upstreams(upstreams, findings);
    let claims = resolve_claims(claims, carried, &names, findings);
    let clients = resolve_clients(clients, findings);
    let registration = clients::resolve_registration(&registration, findings);
    let sign_ins = resolve_sign_ins(&sign_ins, findings);
    let lifetimes = resolve_lifetimes(&lifetimes, findings);
    let scopes = resolve_scopes(scopes, findings);
    let trusted = resolve_trusted(trusted_issuers, scopes.as_ref(), findings);
    let resources = resolve_resources(resources, own, findings);
    let turn = within(signing.turn_days.as_ref(), 30, 1..=365, "days", findings);
    let known = Known::Names(names);
    let server = (|| {
        Some(AuthorizationServer {
            upstreams: upstreams?,
            claims: claims?,
            clients: clients?,
            scopes: scopes?,
            resources: resources?,
            trusted: trusted?,
            registration: registration?,
            sign_ins: sign_ins?,
            lifetimes: lifetimes?,
            algorithm: signing.algorithm,
            turn: Duration::from_secs(u64::from(DAY) * u64::from(turn?)),
        })
    })();
    (server.map(Some), known)
}

fn resolve_sign_ins(raw: &raw::SignIns, findings: &mut Findings) -> Option<SignIns> {
    let bounds = || 1..=1_000_000;
    let minutely = within(raw.minutely.as_ref(), 6_000, bounds(), "sign-ins", findings);
    let from_one = within(raw.minutely_from_one_address.as_ref(), 120, bounds(), "sign-ins", findings);
    Some(SignIns { minutely: minutely?, minutely_from_one_address: from_one? })
}

fn resolve_lifetimes(raw: &raw::Lifetimes, findings: &mut Findings) -> Option<Lifetimes> {
    let mut seconds = |written: &Option<Spanned<u32>>, usual, bounds| {
        let seconds = within(written.as_ref(), usual, bounds, "seconds", findings)?;
        Some(Duration::from_secs(seconds.into()))
    };
    let access = seconds(&raw.access_seconds, HOUR, MINUTE..=DAY);
    let refresh = seconds(&raw.refresh_seconds, 7 * DAY, HOUR..=30 * DAY);
    let code = seconds(&raw.code_seconds, MINUTE, 10..=10 * MINUTE);
    Some(Lifetimes { access: access?, refresh: refresh?, code: code? })
}

fn resolve_scopes(raw: Vec<Spanned<String>>, findings: &mut Findings) -> Option<BTreeSet<String>> {
    let count = raw.len();
    let mut scopes = BTreeSet::new();
    for Spanned { value: scope, referenced, .. } in raw {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if scope.is_empty() || !scope.bytes().all(fits) {
            findings.error(referenced, format!("`{scope}` cannot be a scope"), "use letters without spaces");
        } else if !scopes.insert(scope.clone()) {
            findings.error(referenced, format!("`{scope}` is there twice"), "remove one of the two");
        }
    }
    (scopes.len() == count).then_some(scopes)
}

/// What tokens may be for, besides our own endpoint (V-07, V-13).
fn resolve_resources(
    raw: Option<Spanned<Vec<Spanned<String>>>>,
    own: Option<&str>,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let Some(Spanned { value: raw, referenced, .. }) = raw else { return Some(Vec::new()) };
    if raw.is_empty() {
        findings.error(
            referenced,
            "tokens are for nothing at all (V-13)",
            "name what they may be for, or remove this: it is our own endpoint then",
        );
        return None;
    }
    let Some(own) = own else {
        let what = "our own endpoint has to be among these, and nothing says where it is (V-07)";
        findings.error(referenced, what, "add `public_url: https://…`");
        return None;
    };
    let mut resources: Vec<String> = Vec::new();
    let mut sound = true;
    for Spanned { value: resource, referenced, .. } in raw {
        let url =
            url::Url::parse(&resource).ok().filter(|url| url.fragment().is_none() && !resource.contains(' '));
        if url.is_none() {
            let what = format!("`{resource}` cannot be what a token is for");
            findings.error(referenced, what, "write an address without a fragment");
            sound = false;
        }
        resources.push(resource);
    }
    let before = resources.len();
    resources.retain(|resource| resource != own);
    if resources.len() == before {
        let what = format!("tokens for this gateway, `{own}`, are not among these (V-07)");
        findings.error(referenced, what, "add it, letter for letter");
        sound = false;
    }
    sound.then_some(resources)
}

/// A number between bounds, or the `usual` one.
fn within(
    written: Option<&Spanned<u32>>,
    usual: u32,
    bounds: std::ops::RangeInclusive<u32>,
    unit: &str,
    findings: &mut Findings,
) -> Option<u32> {
    let Some(Spanned { value, referenced, .. }) = written else { return Some(usual) };
    if bounds.contains(value) {
        return Some(*value);
    }
    let remedy = format!("write between {} and {} {unit}", bounds.start(), bounds.end());
    findings.error(*referenced, format!("{value} {unit} are out of bounds"), remedy);
    None
}

/// The providers that there are, each with its token endpoint where that is known from the start.
type Names = BTreeMap<String, Option<countersign::token_endpoint::TokenEndpoint>>;
