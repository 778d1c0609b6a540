//! What the settings of a backend on AWS mean.

use super::{diagnostic::Findings, raw};
use axum::http::Uri;
use countersign::{
    expression::Expression,
    proof::RoleArn,
    role::{ClaimFormat, Roles, RolesBuilder, Rule, SessionName},
    sign::SigningTarget,
    sts::{Session, Sts},
};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// AWS SigV4, as the caller.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) target: SigningTarget,
    pub(crate) roles: Roles,
    pub(crate) sts: Sts,
    pub(crate) session: Session,
}

pub(super) fn resolve_aws(raw: Spanned<raw::Aws>, url: Option<&Uri>, findings: &mut Findings) -> Option<Aws> {
    let Spanned { value: raw, referenced, .. } = raw;
    let target = resolve_target(raw.service.as_ref(), raw.region.as_ref(), url, referenced, findings);
    let roles = resolve_roles(raw.roles, raw.session_name, findings);
    let sts = resolve_sts(&raw.sts, target.as_ref(), referenced, findings);
    let session = resolve_session(&raw.sts, findings);
    Some(Aws { target: target?, roles: roles?, sts: sts?, session: session? })
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

fn resolve_session(raw: &raw::Sts, findings: &mut Findings) -> Option<Session> {
    let Some(Spanned { value: seconds, referenced, .. }) = raw.duration_seconds else {
        return Some(Session::default());
    };
    let built = Session::caller().with_duration(Duration::from_secs(seconds.into())).build();
    built.map_err(|error| findings.error(referenced, error.to_string(), "3600 is what most roles allow")).ok()
}

/// What is named wins; the rest is what the backend's host says, if it says anything.
fn resolve_target(
    service: Option<&Spanned<String>>,
    region: Option<&Spanned<String>>,
    url: Option<&Uri>,
    place: Location,
    findings: &mut Findings,
) -> Option<SigningTarget> {
    let host = url.and_then(Uri::host);
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

fn resolve_roles(
    raw: Spanned<raw::Roles>,
    session_name: Option<Spanned<String>>,
    findings: &mut Findings,
) -> Option<Roles> {
    let Spanned { value: raw, referenced, .. } = raw;
    let count = raw.rules.len();
    let rules: Vec<Rule> = raw.rules.into_iter().filter_map(|rule| resolve_rule(rule, findings)).collect();
    let complete = rules.len() == count;
    let fallback = raw.fallback.map(|arn| resolve_arn(&arn, findings));
    let name = session_name.map(|template| resolve_session_name(&template, findings));
    let mut builder = rules.into_iter().fold(Roles::builder(), RolesBuilder::rule);
    if let Some(claim) = raw.role_claim {
        builder = builder.with_role_claim(claim.value);
    }
    if let Some(raw::RoleClaimFormat::SpaceSeparated) = raw.role_claim_format {
        builder = builder.with_role_claim_format(ClaimFormat::SpaceSeparated);
    }
    if raw.actor_ceiling {
        builder = builder.with_actor_ceiling();
    }
    if let Some(fallback) = fallback {
        builder = builder.with_fallback(fallback?);
    }
    if let Some(name) = name {
        builder = builder.with_session_name(name?);
    }
    if !complete {
        return None;
    }
    match builder.build() {
        Ok(roles) => {
            for warning in roles.warnings() {
                findings.warn(
                    referenced,
                    warning.to_string(),
                    "see docs/roles.md if that is not what you meant",
                );
            }
            Some(roles)
        }
        Err(error) => {
            for problem in error.problems() {
                findings.error(referenced, problem, "see docs/roles.md for rules that work");
            }
            None
        }
    }
}

fn resolve_rule(raw: Spanned<raw::Rule>, findings: &mut Findings) -> Option<Rule> {
    let Spanned { value: raw, referenced, .. } = raw;
    let role = resolve_arn(&raw.role, findings);
    let rule = match (raw.when, raw.claim) {
        (Some(when), None) => {
            let compiled = Expression::compile(&when.value);
            let condition = compiled.map_err(|error| {
                findings.error(
                    when.referenced,
                    error.to_string(),
                    "correct the expression; docs/roles.md has examples",
                );
            });
            Rule::when(condition.ok()?, role?)
        }
        (None, Some(claim)) => Rule::claim(claim.value, role?),
        (Some(_), Some(_)) => {
            findings.error(
                referenced,
                "this rule has both `when` and `claim`",
                "keep one, or make two rules",
            );
            return None;
        }
        (None, None) => {
            let remedy =
                "add `when: EXPRESSION` or `claim: VALUE`; a role for everybody else is the `fallback`";
            findings.error(referenced, "this rule has no condition", remedy);
            return None;
        }
    };
    let rule = raw.priority.into_iter().fold(rule, Rule::with_priority);
    Some(match raw.on_error {
        raw::OnError::Deny => rule,
        raw::OnError::Skip => rule.skip_on_error(),
    })
}

fn resolve_arn(arn: &Spanned<String>, findings: &mut Findings) -> Option<RoleArn> {
    let parsed = arn.value.parse::<RoleArn>();
    let remedy = "write it as in arn:aws:iam::123456789012:role/Name";
    parsed.map_err(|error| findings.error(arn.referenced, error.to_string(), remedy)).ok()
}

fn resolve_session_name(template: &Spanned<String>, findings: &mut Findings) -> Option<SessionName> {
    let parsed = template.value.parse::<SessionName>();
    let remedy = "write it as in '{claims.email}' or 'mcp-{sub}'";
    parsed.map_err(|error| findings.error(template.referenced, error.to_string(), remedy)).ok()
}
