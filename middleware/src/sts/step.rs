//! What one `AssumeRole` is told besides the role.

use super::{
    key::Fields,
    limits::{self, Problem},
    provider::AssumeStep,
    value::SessionValue,
    view::View,
};
use crate::{
    error::{Error, Kind},
    expression::Expression,
    proof::AwsRole,
};
use std::{sync::Arc, time::Duration};

/// A tag of a session: what policies see as `aws:PrincipalTag/…`, and CloudTrail keeps.
///
/// ```
/// use countersign::{expression::TextExpression, sts::SessionTag};
///
/// let gateway = SessionTag::new("Gateway", "mcp");
/// let team = SessionTag::new("Team", TextExpression::compile("claims.team")?).transitive();
/// # Ok::<(), countersign::expression::InvalidExpression>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionTag {
    pub(super) key: String,
    pub(super) value: SessionValue,
    pub(super) transitive: bool,
    pub(super) optional: bool,
}

/// What a session may do at most, whatever its role may.
///
/// ```
/// use countersign::sts::SessionPolicy;
///
/// let read_only = SessionPolicy::managed(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
/// let one_bucket = SessionPolicy::document(r#"{"Version": "2012-10-17", "Statement": [
///     {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}
/// ]}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPolicy {
    pub(super) document: Option<Arc<str>>,
    pub(super) arns: Arc<[String]>,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) duration: Duration,
    /// The first whose condition is true, else the other.
    pub(super) conditional_policies: Vec<(Expression, SessionPolicy)>,
    pub(super) policy: Option<SessionPolicy>,
    pub(super) tags: Vec<SessionTag>,
    pub(super) source_identity: Option<SessionValue>,
    pub(super) external_id: Option<String>,
}

/// What was worked out for one caller.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) tags: Vec<(String, String)>,
    pub(super) source_identity: Option<String>,
    pub(super) policy: Option<SessionPolicy>,
}

impl SessionTag {
    /// A tag that ends with the session.
    pub fn new(key: impl Into<String>, value: impl Into<SessionValue>) -> Self {
        Self { key: key.into(), value: value.into(), transitive: false, optional: false }
    }

    /// The same, inherited by every session that is begun from this one.
    #[must_use]
    pub fn transitive(mut self) -> Self {
        self.transitive = true;
        self
    }

    /// The same, left out for callers about whom it cannot be said. Without this they are refused.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl SessionPolicy {
    /// A policy document, of at most 2,048 characters.
    pub fn document(json: impl Into<Arc<str>>) -> Self {
        Self { document: Some(json.into()), arns: Arc::default() }
    }

    /// Up to ten managed policies, of the role's account or AWS's own.
    pub fn managed<A: Into<String>>(arns: impl IntoIterator<Item = A>) -> Self {
        Self { document: None, arns: arns.into_iter().map(Into::into).collect() }
    }

    /// Both: what either allows.
    #[must_use]
    pub fn and_managed<A: Into<String>>(mut self, arns: impl IntoIterator<Item = A>) -> Self {
        self.arns = self.arns.iter().cloned().chain(arns.into_iter().map(Into::into)).collect();
        self
    }

    fn problems(&self, account: Option<&str>) -> Vec<Problem> {
        let document = self.document.as_deref().and_then(limits::policy);
        document.into_iter().chain(limits::policy_arns(&self.arns, account)).collect()
    }

    fn describe(&self, fields: &mut Fields) {
        fields.maybe(self.document.as_deref());
        fields.list(self.arns.iter().map(String::as_str));
    }
}

impl Step {
    pub(super) fn lasting(duration: Duration) -> Self {
        Self {
            duration,
            conditional_policies: Vec::new(),
            policy: None,
            tags: Vec::new(),
            source_identity: None,
            external_id: None,
        }
    }

    /// Everything that is wrong with it by itself. `account` is the role's, where it is known.
    pub(super) fn problems(&self, account: Option<&str>, chained: bool) -> Vec<Problem> {
        let mut problems: Vec<Problem> = limits::duration(self.duration, chained).into_iter().collect();
        problems.extend(limits::tag_count(self.tags.len()));
        for (at, tag) in self.tags.iter().enumerate() {
            let key = &tag.key;
            problems.extend(limits::tag_key(key));
            if self.tags.iter().take(at).any(|earlier| same_key(&earlier.key, key)) {
                problems.push(format!("tag {key:?}: it is there twice, and case does not tell keys apart"));
            }
            if tag.value.fixed().is_some_and(|value| !limits::is_tag_value(value)) {
                problems
                    .push(format!("tag {key:?}: a value has up to 256 letters, digits, spaces and _.:/=+-@"));
            }
        }
        let fixed = self.source_identity.as_ref().and_then(SessionValue::fixed);
        if fixed.is_some_and(|fixed| !limits::is_name(fixed)) {
            problems.push("source identity: it has 2 to 64 letters, digits and _+=,.@-".to_owned());
        }
        problems.extend(self.external_id.as_deref().and_then(limits::external_id));
        let conditional = self.conditional_policies.iter().map(|(_, policy)| policy);
        problems.extend(conditional.chain(&self.policy).flat_map(|policy| policy.problems(account)));
        problems
    }

    /// Whether it is the same for every caller.
    pub(super) fn is_fixed(&self) -> bool {
        let values = self.tags.iter().map(|tag| &tag.value).chain(&self.source_identity);
        self.conditional_policies.is_empty() && values.into_iter().all(|value| value.fixed().is_some())
    }

    /// As it is for whoever it is, where it is fixed.
    pub(super) fn for_everybody(self, role: AwsRole) -> AssumeStep {
        let value = |value: &SessionValue| value.fixed().unwrap_or_default().to_owned();
        let tags: Vec<_> = self.tags.iter().map(|tag| (tag.key.clone(), value(&tag.value))).collect();
        let transitive_tag_keys = self.transitive_tag_keys(&tags);
        let policy = self.policy.unwrap_or_default();
        AssumeStep {
            role,
            duration: self.duration,
            policy: policy.document,
            policy_arns: policy.arns,
            transitive_tag_keys,
            tags,
            source_identity: self.source_identity.as_ref().map(value),
            external_id: self.external_id,
        }
    }

    pub(super) fn choose(&self, view: &View<'_, '_>) -> Result<Chosen, Error> {
        let mut tags = Vec::with_capacity(self.tags.len());
        for tag in &self.tags {
            let source = || format!("the tag is {:?}", tag.key);
            match tag.value.of(view)? {
                Some(value) if limits::is_tag_value(&value) => {
                    tags.push((tag.key.clone(), value.into_owned()))
                }
                Some(_) => {
                    let what = "a tag's value for this caller is none that AWS takes";
                    return Err(Error::new(Kind::InvalidStsRequest, what).with_source(source()));
                }
                None if tag.optional => {}
                None => {
                    let what = "nothing is known about this caller that a tag could say";
                    return Err(Error::new(Kind::RuleFailed, what).with_source(source()));
                }
            }
        }
        let source_identity = match &self.source_identity {
            None => None,
            Some(value) => match value.of(view)? {
                Some(value) if limits::is_name(&value) => Some(value.into_owned()),
                Some(_) => {
                    let what = "the source identity for this caller is none that AWS takes";
                    return Err(Error::new(Kind::InvalidStsRequest, what));
                }
                None => {
                    let what = "nothing is known about this caller that a source identity could say";
                    return Err(Error::new(Kind::RuleFailed, what));
                }
            },
        };
        Ok(Chosen { tags, source_identity, policy: self.choose_policy(view)? })
    }

    fn choose_policy(&self, view: &View<'_, '_>) -> Result<Option<SessionPolicy>, Error> {
        for (condition, policy) in &self.conditional_policies {
            let applies = condition.is_true(view.facts()?).map_err(|error| {
                let what = "which session policy is this caller's could not be decided";
                Error::new(Kind::RuleFailed, what).with_source(error)
            })?;
            if applies {
                return Ok(Some(policy.clone()));
            }
        }
        Ok(self.policy.clone())
    }

    /// Which of these tags later hops inherit.
    pub(super) fn transitive_tag_keys(&self, tags: &[(String, String)]) -> Vec<String> {
        let is_there = |tag: &&SessionTag| tags.iter().any(|(key, _)| *key == tag.key);
        let transitive = self.tags.iter().filter(|tag| tag.transitive).filter(is_there);
        transitive.map(|tag| tag.key.clone()).collect()
    }

    /// Everything that was configured, for a digest.
    pub(super) fn describe(&self, fields: &mut Fields) {
        fields.bytes(&self.duration.as_secs().to_be_bytes());
        fields.maybe(self.external_id.as_deref());
        fields.list(self.tags.iter().map(|tag| tag.key.as_str()));
        for tag in &self.tags {
            fields.bytes(&[u8::from(tag.transitive), u8::from(tag.optional)]);
            tag.value.describe(fields);
        }
        fields.maybe(self.source_identity.as_ref().map(|_| "source identity"));
        if let Some(value) = &self.source_identity {
            value.describe(fields);
        }
        fields.list(self.conditional_policies.iter().map(|(condition, _)| condition.source()));
        for (_, policy) in &self.conditional_policies {
            policy.describe(fields);
        }
        fields.maybe(self.policy.as_ref().map(|_| "policy"));
        if let Some(policy) = &self.policy {
            policy.describe(fields);
        }
    }
}

impl Chosen {
    /// What was worked out, for a digest.
    pub(super) fn describe(&self, fields: &mut Fields) {
        fields.list(self.tags.iter().map(|(key, _)| key.as_str()));
        fields.list(self.tags.iter().map(|(_, value)| value.as_str()));
        fields.maybe(self.source_identity.as_deref());
        self.policy.clone().unwrap_or_default().describe(fields);
    }
}

/// Keys of tags differ in more than case.
pub(super) fn same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
