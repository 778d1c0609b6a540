use super::claim::{NotAList, RoleClaim};
use crate::{
    expression::{EvaluationError, Expression, Facts},
    proof::RoleArn,
};
use std::fmt;

/// Who acts in one role: a condition, and the role for those that it is true of.
///
/// ```
/// use countersign::{expression::Expression, role::Rule};
///
/// let admins = Rule::claim("admins", "arn:aws:iam::123456789012:role/Admin".parse()?).named("admins");
/// let readers = Rule::when(
///     Expression::compile("tool.read_only && has(claims.team)")?,
///     "arn:aws:iam::123456789012:role/Reader".parse()?,
/// )
/// .with_priority(20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) condition: Condition,
    pub(super) role: RoleArn,
    pub(super) name: Option<String>,
    pub(super) priority: Option<i64>,
    pub(super) skips_on_error: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    When(Expression),
    Claim(String),
}

/// Why a rule could not be decided. It tells no claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// Its expression has no answer.
    Evaluation(EvaluationError),
    /// The role claim is neither a list nor a text.
    RoleClaim,
}

impl Rule {
    /// For those of whom `condition` is true.
    pub fn when(condition: Expression, role: RoleArn) -> Self {
        Self::new(Condition::When(condition), role)
    }

    /// For those who have `value` in their role claim, by default `groups`. The value is compared, never
    /// evaluated.
    pub fn claim(value: impl Into<String>, role: RoleArn) -> Self {
        Self::new(Condition::Claim(value.into()), role)
    }

    /// What logs and explanations call it, besides its number.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The lowest is asked first. Rules without one are asked last; equal ones in their order.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Passes on to the next rule where this one cannot be decided. Without this, such a caller is refused.
    #[must_use]
    pub fn skip_on_error(mut self) -> Self {
        self.skips_on_error = true;
        self
    }

    /// The role it gives.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    pub(super) fn is_true(&self, claim: &RoleClaim, facts: &Facts<'_>) -> Result<bool, RuleError> {
        match &self.condition {
            Condition::When(expression) => expression.is_true(facts).map_err(RuleError::Evaluation),
            Condition::Claim(value) => claim.has(value, facts).map_err(|NotAList| RuleError::RoleClaim),
        }
    }

    fn new(condition: Condition, role: RoleArn) -> Self {
        Self { condition, role, name: None, priority: None, skips_on_error: false }
    }
}

impl Condition {
    /// Whether this is true whenever `other` is, as far as their forms show.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::When(this), Self::When(other)) => this.covers(other),
            (Self::When(this), Self::Claim(_)) => this.constant() == Some(true),
            (Self::Claim(_), Self::When(other)) => other.constant() == Some(false),
            (Self::Claim(this), Self::Claim(other)) => this == other,
        }
    }

    pub(super) fn refers_to(&self, what: &str) -> bool {
        match self {
            Self::When(expression) => expression.references().contains(what),
            Self::Claim(_) => false,
        }
    }

    /// Whether it looks at the caller and at whoever acts for them.
    pub(super) fn names_person_and_agent(&self) -> bool {
        match self {
            Self::When(expression) => {
                let references = expression.references();
                references.contains("actor")
                    && references
                        .iter()
                        .any(|name| name.starts_with("claims") || name.starts_with("upstream"))
            }
            Self::Claim(_) => false,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::When(expression) => write!(f, "when {expression}"),
            Self::Claim(value) => write!(f, "claim {value:?}"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evaluation(error) => error.fmt(f),
            Self::RoleClaim => f.write_str("the role claim is neither a list nor a text"),
        }
    }
}

impl std::error::Error for RuleError {}
