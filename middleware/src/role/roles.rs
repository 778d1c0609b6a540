use super::{
    claim::{ClaimFormat, RoleClaim},
    explain::{Explanation, Refusal, Step, Verdict},
    rule::{Condition, Rule},
    session_name::SessionName,
    warning::{Warning, warnings},
};
use crate::{
    expression::Facts,
    proof::{AwsRole, RoleArn},
};
use std::{fmt, sync::Arc};

/// Who acts in which role: rules, a fallback, and how sessions are called. Cloning it is cheap.
///
/// See the [module](super) for an example.
#[derive(Clone)]
pub struct Roles(Arc<Inner>);

/// Puts [`Roles`] together.
#[derive(Clone, Debug, Default)]
pub struct RolesBuilder {
    rules: Vec<Rule>,
    fallback: Option<RoleArn>,
    claim: RoleClaim,
    session_name: SessionName,
    actor_ceiling: bool,
}

/// What is wrong with a set of rules: everything, not the first thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRoles {
    problems: Vec<String>,
}

struct Inner {
    /// In the order in which they are asked.
    rules: Vec<Placed>,
    fallback: Option<RoleArn>,
    claim: RoleClaim,
    session_name: SessionName,
    actor_ceiling: bool,
    warnings: Vec<Warning>,
}

/// A rule, and its place in the configuration.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) rule: Rule,
    pub(super) number: usize,
}

/// Whom the rules give a role, and which.
struct Winner<'r> {
    role: &'r RoleArn,
    rule: Option<&'r Placed>,
}

impl Roles {
    /// Without rules, which is nothing that can be [built](RolesBuilder::build).
    pub fn builder() -> RolesBuilder {
        RolesBuilder::default()
    }

    /// The role for a call.
    ///
    /// # Errors
    ///
    /// When no rule gives one, a rule cannot be decided, or the session has no name.
    pub fn select(&self, facts: &Facts<'_>) -> Result<AwsRole, Refusal> {
        self.0.select(facts, |_, _| {}, |_, _| {})
    }

    /// What the rules make of a call, one by one.
    ///
    /// ```
    /// use countersign::{expression::Supposed, role::{Roles, Rule, Verdict}};
    ///
    /// let roles = Roles::builder()
    ///     .rule(Rule::claim("admins", "arn:aws:iam::123456789012:role/Admin".parse()?))
    ///     .rule(Rule::claim("staff", "arn:aws:iam::123456789012:role/Staff".parse()?).named("everybody here"))
    ///     .build()?;
    /// let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "bob", "groups": ["staff"]});
    /// let bob = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
    ///
    /// let explanation = roles.explain(&bob.facts());
    /// let verdicts: Vec<_> = explanation.steps().iter().map(|step| step.verdict()).collect();
    /// assert_eq!(verdicts, [&Verdict::False, &Verdict::Won]);
    /// assert!(explanation.outcome().is_ok_and(|role| role.session_name() == "bob"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let (mut of_caller, mut of_actor) = (Vec::new(), Vec::new());
        let outcome = self.0.select(
            facts,
            |rule, verdict| of_caller.push(Step::new(rule, verdict)),
            |rule, verdict| of_actor.push(Step::new(rule, verdict)),
        );
        let all = |mut steps: Vec<Step>| {
            let not_asked = self.0.rules.iter().skip(steps.len());
            steps.extend(not_asked.map(|rule| Step::new(rule, Verdict::NotAsked)));
            steps
        };
        let of_actor = if of_actor.is_empty() { of_actor } else { all(of_actor) };
        Explanation::new(all(of_caller), of_actor, self.0.fallback.clone(), outcome)
    }

    /// What is allowed and probably wrong.
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// Every role that somebody may get, the fallback last: each once.
    pub fn roles(&self) -> Vec<&RoleArn> {
        let mut roles = Vec::new();
        for role in self.0.rules.iter().map(|placed| &placed.rule.role).chain(&self.0.fallback) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }

    /// The rules in the order in which they are asked, as logs call them.
    pub(super) fn labels(&self) -> String {
        self.0.rules.iter().map(Placed::label).collect::<Vec<_>>().join(", ")
    }
}

impl RolesBuilder {
    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The role of everybody whom no rule gives one.
    #[must_use]
    pub fn with_fallback(mut self, role: RoleArn) -> Self {
        self.fallback = Some(role);
        self
    }

    /// The claim that [`Rule::claim`] looks into: `groups` by default.
    #[must_use]
    pub fn with_role_claim(mut self, name: impl Into<String>) -> Self {
        self.claim.name = name.into();
        self
    }

    /// How the text of that claim is read.
    #[must_use]
    pub fn with_role_claim_format(mut self, format: ClaimFormat) -> Self {
        self.claim.format = format;
        self
    }

    /// How sessions are called: `{sub}` by default.
    #[must_use]
    pub fn with_session_name(mut self, template: SessionName) -> Self {
        self.session_name = template;
        self
    }

    /// Asks the rules twice where somebody acts for the caller: about the caller, and about the actor, with
    /// what the token says of the actor as `claims`. Unless both get the same role, the call is refused: roles
    /// have no order, so nobody can tell the lesser of two. A rule whose expression looks at `actor` and at
    /// `claims` names both together, and is asked once.
    #[must_use]
    pub fn with_actor_ceiling(mut self) -> Self {
        self.actor_ceiling = true;
        self
    }

    /// Checks it all.
    ///
    /// # Errors
    ///
    /// When nobody could ever get a role, or a rule compares with nothing.
    pub fn build(self) -> Result<Roles, InvalidRoles> {
        let mut problems = Vec::new();
        if self.rules.is_empty() && self.fallback.is_none() {
            problems.push("there is neither a rule nor a fallback; add one of them".to_owned());
        }
        if self.claim.name.is_empty() {
            problems.push("the role claim has no name; leave it out for `groups`".to_owned());
        }
        let mut rules: Vec<Placed> = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.into_iter().enumerate() {
            let placed = Placed { rule, number: index + 1 };
            if placed.rule.condition == Condition::Claim(String::new()) {
                problems.push(format!("{}: the claim's value is empty; say which one", placed.label()));
            }
            rules.push(placed);
        }
        if !problems.is_empty() {
            return Err(InvalidRoles { problems });
        }
        rules.sort_by_key(|placed| (placed.rule.priority.is_none(), placed.rule.priority));
        let warnings = warnings(&rules, self.fallback.as_ref(), &self.session_name);
        Ok(Roles(Arc::new(Inner {
            rules,
            fallback: self.fallback,
            claim: self.claim,
            session_name: self.session_name,
            actor_ceiling: self.actor_ceiling,
            warnings,
        })))
    }
}

impl Inner {
    fn select(
        &self,
        facts: &Facts<'_>,
        note: impl FnMut(&Placed, Verdict),
        note_actor: impl FnMut(&Placed, Verdict),
    ) -> Result<AwsRole, Refusal> {
        let winner = self.decide(facts, note)?.ok_or(Refusal::NoRuleMatches)?;
        if self.actor_ceiling && !facts.actors().is_empty() && !winner.names_person_and_agent() {
            let of_actor = match facts.of_actor() {
                Some(facts) => self.decide(&facts, note_actor)?,
                None => None,
            };
            if of_actor.as_ref().map(|actor| actor.role) != Some(winner.role) {
                return Err(Refusal::ActorDiffers {
                    caller: winner.role.clone(),
                    actor: of_actor.map(|actor| actor.role.clone()),
                });
            }
        }
        let name = self.session_name.name(facts).map_err(Refusal::Nameless)?;
        Ok(AwsRole::new(winner.role.shared(), name))
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        mut note: impl FnMut(&Placed, Verdict),
    ) -> Result<Option<Winner<'_>>, Refusal> {
        for placed in &self.rules {
            let rule = &placed.rule;
            match rule.is_true(&self.claim, facts) {
                Ok(true) => {
                    note(placed, Verdict::Won);
                    return Ok(Some(Winner { role: &rule.role, rule: Some(placed) }));
                }
                Ok(false) => note(placed, Verdict::False),
                Err(error) if rule.skips_on_error => note(placed, Verdict::Skipped(error)),
                Err(error) => {
                    note(placed, Verdict::Failed(error.clone()));
                    return Err(Refusal::RuleFailed { rule: placed.label(), error });
                }
            }
        }
        Ok(self.fallback.as_ref().map(|role| Winner { role, rule: None }))
    }
}

impl Placed {
    /// `rule 2 (admins)`
    pub(super) fn label(&self) -> String {
        match &self.rule.name {
            Some(name) => format!("rule {} ({name})", self.number),
            None => format!("rule {}", self.number),
        }
    }
}

impl Winner<'_> {
    fn names_person_and_agent(&self) -> bool {
        self.rule.is_some_and(|placed| placed.rule.condition.names_person_and_agent())
    }
}

impl InvalidRoles {
    /// One line each: where, what, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles")
            .field("rules", &self.0.rules)
            .field("fallback", &self.0.fallback)
            .field("session_name", &self.0.session_name.source())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for InvalidRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for InvalidRoles {}
