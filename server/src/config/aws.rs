//! What the settings of a backend on AWS mean.

use super::{
    diagnostic::Findings,
    minting::{Minted, Minting},
    providers::Known,
    raw::{self, WebIdentity, WhichToken},
    roles::resolve_roles,
    service_identity::resolve_service_identity,
    sessions::{Terms, resolve_session},
};
use axum::http::{Uri, uri::Authority};
use countersign::{
    role::Roles,
    sign::SigningTarget,
    sts::{ServiceIdentity, Session, SessionBuilder, Sts, Upstream},
    tokens::Need,
};
use serde_saphyr::{Location, Spanned};

/// AWS SigV4.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) target: SigningTarget,
    /// Signed in place of the address's own host.
    pub(crate) host: Option<Authority>,
    pub(crate) credentials: Credentials,
    pub(crate) minted: Option<Minted>,
}

/// Whose credentials a signature is made with.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// The caller's, in a role, for a token about the caller.
    WebIdentity { as_caller: Box<AsCaller>, needs: Vec<Need> },
    /// The caller's, in a role that this server assumes in the caller's name; and who this server is.
    Brokered { as_caller: Box<AsCaller>, needs: Vec<Need>, identity: ServiceIdentity },
    /// This server's own, whoever calls.
    Service(ServiceIdentity),
}

/// How callers come by roles. What has to be looked up for that are the `needs` beside it.
#[derive(Debug)]
pub(crate) struct AsCaller {
    pub(crate) roles: Roles,
    pub(crate) sts: Sts,
    pub(crate) session: Session,
}

impl Aws {
    /// Whether a caller has to have connected an account.
    pub(super) fn needs_accounts(&self) -> bool {
        match &self.credentials {
            Credentials::WebIdentity { needs, .. } | Credentials::Brokered { needs, .. } => !needs.is_empty(),
            Credentials::Service(_) => false,
        }
    }
}

pub(super) fn resolve_aws(
    raw: Spanned<raw::Aws>,
    url: Option<&Uri>,
    known: &Known,
    findings: &mut Findings,
) -> Option<Aws> {
    let Spanned { value: raw, referenced: place, .. } = raw;
    let host = resolve_host(raw.sign_host.as_ref(), findings);
    // What is signed for follows from the host that is signed.
    let signed = host.as_ref().and_then(|host| Some(host.as_ref()?.host()));
    let named = signed.or_else(|| url.and_then(Uri::host));
    let target = resolve_target(raw.service.as_ref(), raw.region.as_ref(), named, place, findings);
    let sts = resolve_sts(&raw.sts, target.as_ref(), place, findings);
    let (source, source_place) = match raw.credentials {
        Some(Spanned { value, referenced, .. }) => (Some(value), referenced),
        None => (None, place),
    };
    let source = match source {
        None if known.has_authorization_server() => Some(raw::Credentials::WebIdentity(WebIdentity::Minted)),
        source => source,
    };
    let is_minted = matches!(source, Some(raw::Credentials::WebIdentity(WebIdentity::Minted)));
    if is_minted && !known.has_authorization_server() {
        let what = "there is no authorization server that could make tokens for STS (V-01)";
        let remedy = "describe an `authorization_server`, or write `web_identity: caller`";
        findings.error(source_place, what, remedy);
        return None;
    }
    let at_aws = raw.sts.endpoint.is_none();
    let minted = is_minted.then(|| Minted { by: Minting::default(), place: source_place, at_aws });
    let by_token = !matches!(source, Some(raw::Credentials::Brokered | raw::Credentials::Service));
    let identity = match raw.service_identity {
        Some(Spanned { referenced, .. }) if by_token => {
            let what = "this server's own identity signs nothing here and assumes no role";
            findings.error(referenced, what, "remove it, or write `credentials: brokered` or `service`");
            None
        }
        None if by_token => None,
        raw => resolve_service_identity(raw, sts.as_ref(), findings),
    };
    let terms = Terms {
        duration: raw.sts.duration_seconds,
        external_id: raw.external_id,
        source_identity: raw.source_identity,
        tags: raw.tags,
        by_token: by_token && !is_minted,
    };
    if let Some(raw::Credentials::Service) = source {
        terms.refuse_all(findings);
        let about_callers =
            [raw.roles.map(|roles| roles.referenced), raw.session_name.map(|name| name.referenced)];
        for place in about_callers.into_iter().flatten() {
            let what = "callers have no roles here, as this server signs for all of them";
            findings.error(place, what, "remove it, or choose other `credentials`");
        }
        let credentials = Credentials::Service(identity?);
        return Some(Aws { target: target?, host: host?, credentials, minted });
    }
    let Some(rules) = raw.roles else {
        findings.error(
            place,
            "nothing says who becomes which role",
            "add `roles:` with `rules` or a `fallback`",
        );
        return None;
    };
    let mut needs = Vec::new();
    let begun = match (source, &identity) {
        (Some(raw::Credentials::Brokered), Some(identity)) => Some(Session::brokered(identity.clone())),
        (Some(raw::Credentials::Brokered), None) => None,
        (Some(raw::Credentials::WebIdentity(WebIdentity::Upstream(of))), _) => {
            by_upstream(&of, known, &mut needs, findings)
        }
        _ => Some(minted.as_ref().map_or_else(Session::caller, |minted| Session::minted(minted.by.clone()))),
    };
    let roles = resolve_roles(rules, raw.session_name, known, &mut needs, findings);
    let session = resolve_session(begun?, terms, source_place, known, &mut needs, findings);
    let as_caller = Box::new(AsCaller { roles: roles?, sts: sts?, session: session? });
    let credentials = match identity {
        Some(identity) => Credentials::Brokered { as_caller, needs, identity },
        None => Credentials::WebIdentity { as_caller, needs },
    };
    Some(Aws { target: target?, host: host?, credentials, minted })
}

/// The inner `None`: the address's own.
fn resolve_host(written: Option<&Spanned<String>>, findings: &mut Findings) -> Option<Option<Authority>> {
    let Some(Spanned { value, referenced, .. }) = written else { return Some(None) };
    match value.parse::<Authority>() {
        Ok(host) if !value.contains('@') => Some(Some(host)),
        Ok(_) | Err(_) => {
            let remedy =
                "write it as in abc.execute-api.eu-west-1.amazonaws.com, with a port where it has one";
            findings.error(*referenced, format!("`{value}` is no host"), remedy);
            None
        }
    }
}

fn by_upstream(
    of: &raw::OfProvider,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<SessionBuilder> {
    let provider = known.provider(&of.provider, findings)?;
    let (need, which) = match of.token.as_ref().map(|token| token.value) {
        Some(WhichToken::Access) => (Need::access_token(provider.clone()), Upstream::AccessToken),
        Some(WhichToken::Id) | None => (Need::id_token(provider.clone()), Upstream::IdToken),
    };
    needs.push(need);
    Some(Session::upstream(provider, which))
}

/// STS where the backend is, unless it is named.
fn resolve_sts(
    raw: &raw::Sts,
    target: Option<&SigningTarget>,
    place: Location,
    findings: &mut Findings,
) -> Option<Sts> {
    let named = raw.region.as_ref().map(|region| (region.value.as_str(), region.referenced));
    let (region, place) = named.or_else(|| Some((target?.region(), place)))?;
    let builder = raw
        .endpoint
        .iter()
        .fold(Sts::builder(region), |builder, endpoint| builder.with_endpoint(&endpoint.value));
    builder
        .build()
        .map_err(|error| {
            let place = raw.endpoint.as_ref().map_or(place, |endpoint| endpoint.referenced);
            findings.error(
                place,
                error.to_string(),
                "name a region as in eu-west-1; leave the endpoint out for AWS's own",
            );
        })
        .ok()
}

/// What is named wins; the rest is what the host says, if it says anything.
fn resolve_target(
    service: Option<&Spanned<String>>,
    region: Option<&Spanned<String>>,
    host: Option<&str>,
    place: Location,
    findings: &mut Findings,
) -> Option<SigningTarget> {
    let named = |value: Option<&Spanned<String>>| value.map(|name| name.value.clone());
    let (service, region) = match (service, region) {
        (Some(_), Some(_)) => (named(service), named(region)),
        _ => {
            let inferred = SigningTarget::of_host(host?);
            let inferred = inferred.map_err(|error| {
                let remedy = "add `service:` and `region:` here, as a signature has them";
                findings.error(place, error.to_string(), remedy);
            });
            let inferred = inferred.ok()?;
            let or = |name: Option<String>, inferred: &str| Some(name.unwrap_or_else(|| inferred.to_owned()));
            (or(named(service), inferred.service()), or(named(region), inferred.region()))
        }
    };
    match SigningTarget::new(&service?, &region?) {
        Ok(target) => Some(target),
        Err(error) => {
            findings.error(place, error.to_string(), "use the names that a signature has");
            None
        }
    }
}
