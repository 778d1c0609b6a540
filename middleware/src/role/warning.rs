use super::{roles::Placed, rule::Condition, session_name::SessionName};
use crate::proof::RoleArn;
use std::fmt;

/// What is allowed in a set of rules, and probably not meant. Rules are told by their number, in the order in
/// which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A rule that can never win: whenever it is true, so is one that is asked before.
    Shadowed {
        /// Which one.
        rule: String,
        /// The one before it.
        by: String,
    },
    /// A rule that is true of nobody.
    NeverTrue {
        /// Which one.
        rule: String,
    },
    /// A rule is true of everybody, so nobody ever gets the fallback.
    FallbackUnreachable {
        /// That rule.
        by: String,
    },
    /// A rule looks at `claims.email` and not at `claims.email_verified`: with some issuers, people can give
    /// themselves any address.
    UnverifiedEmail {
        /// Which one.
        rule: String,
    },
    /// Sessions are called by `claims.email`, and there is a way to a role where nobody looks at
    /// `claims.email_verified`.
    UnverifiedEmailAsName,
}

pub(super) fn warnings(rules: &[Placed], fallback: Option<&RoleArn>, name: &SessionName) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, placed) in rules.iter().enumerate() {
        let condition = &placed.rule.condition;
        let rule = placed.label();
        if is_always(condition, false) {
            warnings.push(Warning::NeverTrue { rule });
            continue;
        }
        let broader = rules.iter().take(index).find(|before| before.rule.condition.covers(condition));
        if let Some(broader) = broader {
            warnings.push(Warning::Shadowed { rule: rule.clone(), by: broader.label() });
        }
        if condition.refers_to("claims.email") && !checks_email(condition) {
            warnings.push(Warning::UnverifiedEmail { rule });
        }
    }
    let for_everybody = rules.iter().find(|placed| is_always(&placed.rule.condition, true));
    if let (Some(_), Some(by)) = (fallback, for_everybody) {
        warnings.push(Warning::FallbackUnreachable { by: by.label() });
    }
    let unchecked = fallback.is_some() || rules.iter().any(|placed| !checks_email(&placed.rule.condition));
    if name.asks_for("email") && unchecked {
        warnings.push(Warning::UnverifiedEmailAsName);
    }
    warnings
}

fn is_always(condition: &Condition, truth: bool) -> bool {
    match condition {
        Condition::When(expression) => expression.constant() == Some(truth),
        Condition::Claim(_) => false,
    }
}

fn checks_email(condition: &Condition) -> bool {
    condition.refers_to("claims.email_verified")
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed { rule, by } => {
                write!(
                    f,
                    "{rule} can never win: {by} is asked before it and true whenever it is; change their order"
                )
            }
            Self::NeverTrue { rule } => write!(f, "{rule} is true of nobody; remove it"),
            Self::FallbackUnreachable { by } => {
                write!(f, "nobody ever gets the fallback: {by} is true of everybody; remove one of them")
            }
            Self::UnverifiedEmail { rule } => {
                write!(f, "{rule} trusts claims.email without asking claims.email_verified; ask for both")
            }
            Self::UnverifiedEmailAsName => f.write_str(
                "sessions are called by claims.email, which nothing checks to be verified; \
                 require claims.email_verified in each rule or at the issuer, or use {sub}",
            ),
        }
    }
}
