use super::{
    roles::{Placed, Roles},
    rule::RuleError,
    session_name::NamelessSession,
};
use crate::{
    error::{Error, Kind},
    proof::{AwsRole, RoleArn},
};
use std::fmt;

/// What the rules make of one call. See [`Roles::explain`].
#[derive(Clone, Debug)]
pub struct Explanation {
    steps: Vec<Step>,
    actor_steps: Vec<Step>,
    fallback: Option<RoleArn>,
    outcome: Result<AwsRole, Refusal>,
}

/// What became of one rule.
#[derive(Clone, Debug)]
pub struct Step {
    number: usize,
    name: Option<String>,
    condition: String,
    role: RoleArn,
    verdict: Verdict,
}

/// What a rule said, or why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its condition is true, and no rule before it had one.
    Won,
    /// Its condition is false.
    False,
    /// It could not be decided, so the caller is refused.
    Failed(RuleError),
    /// It could not be decided, and lets that pass.
    Skipped(RuleError),
    /// What was decided before it made it superfluous.
    NotAsked,
}

/// Why a caller gets no role. It names rules and roles, and tells no claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No rule's condition is true, and there is no fallback.
    NoRuleMatches,
    /// A rule could not be decided.
    RuleFailed {
        /// Its number and name.
        rule: String,
        /// Why.
        error: RuleError,
    },
    /// Whoever acts for the caller would get another role, or none.
    ActorDiffers {
        /// The caller's own.
        caller: RoleArn,
        /// The actor's.
        actor: Option<RoleArn>,
    },
    /// The session has no name.
    Nameless(NamelessSession),
}

impl Explanation {
    pub(super) fn new(
        steps: Vec<Step>,
        actor_steps: Vec<Step>,
        fallback: Option<RoleArn>,
        outcome: Result<AwsRole, Refusal>,
    ) -> Self {
        Self { steps, actor_steps, fallback, outcome }
    }

    /// The rules in the order in which they are asked, and what became of each.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The same for whoever acts for the caller; empty unless there is an
    /// [actor ceiling](super::RolesBuilder::with_actor_ceiling) and it was looked at.
    pub fn actor_steps(&self) -> &[Step] {
        &self.actor_steps
    }

    /// What remains when no rule wins.
    pub fn fallback(&self) -> Option<&RoleArn> {
        self.fallback.as_ref()
    }

    /// The rule that won. `None` where the fallback did, or nothing.
    pub fn winner(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.verdict == Verdict::Won)
    }

    /// The role and session name, or why there is none.
    ///
    /// # Errors
    ///
    /// The refusal, where it is one.
    pub fn outcome(&self) -> Result<&AwsRole, &Refusal> {
        self.outcome.as_ref()
    }
}

impl Step {
    pub(super) fn new(placed: &Placed, verdict: Verdict) -> Self {
        Self {
            number: placed.number,
            name: placed.rule.name.clone(),
            condition: placed.rule.condition.to_string(),
            role: placed.rule.role.clone(),
            verdict,
        }
    }

    /// Which rule it is, in the order in which they were added, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What it is called.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `when …` or `claim …`, as it was written.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// The role that it gives.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// What became of it.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

impl Refusal {
    /// An operator has to know which rules there were and which of them failed; nobody has to know the claims.
    pub(super) fn log(&self, roles: &Roles) {
        let asked = roles.labels();
        match self {
            Self::RuleFailed { .. } | Self::Nameless(_) => {
                tracing::warn!(reason = %self, asked, "no role for a caller")
            }
            Self::NoRuleMatches | Self::ActorDiffers { .. } => {
                tracing::info!(reason = %self, asked, "no role for a caller");
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (kind, what) = match &refusal {
            Refusal::NoRuleMatches => (Kind::NoRole, "no rule gives this caller a role"),
            Refusal::ActorDiffers { .. } => {
                (Kind::NoRole, "the caller and whoever acts for them do not get the same role")
            }
            Refusal::RuleFailed { .. } => (Kind::RuleFailed, "a rule could not be decided for this caller"),
            Refusal::Nameless(NamelessSession::NoClaim(_)) => {
                (Kind::RuleFailed, "the session's name asks for a claim that this caller has not")
            }
            Refusal::Nameless(NamelessSession::WouldChange) => {
                (Kind::NoRole, "the session's name is strict and not valid for this caller")
            }
        };
        Self::new(kind, what).with_source(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuleMatches => f.write_str("no rule is true of the caller, and there is no fallback"),
            Self::RuleFailed { rule, error } => write!(f, "{rule} could not be decided: {error}"),
            Self::ActorDiffers { caller, actor: Some(actor) } => {
                write!(f, "the caller would get {caller}, and whoever acts for them {actor}")
            }
            Self::ActorDiffers { caller, actor: None } => {
                write!(f, "the caller would get {caller}, and whoever acts for them no role")
            }
            Self::Nameless(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Won => f.write_str("won"),
            Self::False => f.write_str("is not true of this caller"),
            Self::Failed(error) => write!(f, "cannot be decided, so the caller is refused: {error}"),
            Self::Skipped(error) => write!(f, "cannot be decided and is skipped: {error}"),
            Self::NotAsked => f.write_str("was not asked, since it was decided before"),
        }
    }
}
