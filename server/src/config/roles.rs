//! Who becomes which role: what the rules of a backend on AWS mean.

use super::{diagnostic::Findings, providers::Known, raw};
use countersign::{
    expression::Expression,
    proof::RoleArn,
    role::{ClaimFormat, Roles, RolesBuilder, Rule, SessionName},
    tokens::Need,
};
use serde_saphyr::Spanned;

pub(super) fn resolve_roles(
    raw: Spanned<raw::Roles>,
    session_name: Option<Spanned<String>>,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<Roles> {
    let Spanned { value: raw, referenced, .. } = raw;
    let count = raw.rules.len();
    let rules: Vec<Rule> =
        raw.rules.into_iter().filter_map(|rule| resolve_rule(rule, known, needs, findings)).collect();
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

fn resolve_rule(
    raw: Spanned<raw::Rule>,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<Rule> {
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
            let condition = condition.ok()?;
            known.looked_at(condition.references(), when.referenced, needs, findings)?;
            Rule::when(condition, role?)
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

pub(super) fn resolve_arn(arn: &Spanned<String>, findings: &mut Findings) -> Option<RoleArn> {
    let parsed = arn.value.parse::<RoleArn>();
    let remedy = "write it as in arn:aws:iam::123456789012:role/Name";
    parsed.map_err(|error| findings.error(arn.referenced, error.to_string(), remedy)).ok()
}

fn resolve_session_name(template: &Spanned<String>, findings: &mut Findings) -> Option<SessionName> {
    let parsed = template.value.parse::<SessionName>();
    let remedy = "write it as in '{claims.email}' or 'mcp-{sub}'";
    parsed.map_err(|error| findings.error(template.referenced, error.to_string(), remedy)).ok()
}
