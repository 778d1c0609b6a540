//! What one `AssumeRole` is told besides the role.

use super::{
    key::Fields,
    limits::{self, Problem},
    provider::AssumeStep,
    value::SessionValue,
};
use crate::{
    error::{Error, Kind},
    proof::{AwsRole, Identity},
};
use std::{sync::Arc, time::Duration};

/// A tag of a session: what policies see as `aws:PrincipalTag/…`, and CloudTrail keeps.
///
/// ```
/// use countersign::sts::{SessionTag, SessionValue};
///
/// let team = SessionTag::new("Team", SessionValue::claim("team")).transitive();
/// ```
#[derive(Clone, Debug)]
pub struct SessionTag {
    pub(super) key: String,
    pub(super) value: SessionValue,
    pub(super) transitive: bool,
}

/// What a session may do at most, whatever its role may.
///
/// ```
/// use countersign::sts::SessionPolicy;
///
/// let read_only = SessionPolicy::managed(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
/// let nothing_at_night = SessionPolicy::document(r#"{"Version":"2012-10-17","Statement":[]}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPolicy {
    pub(super) document: Option<Arc<str>>,
    pub(super) arns: Arc<[String]>,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) duration: Duration,
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
        Self { key: key.into(), value: value.into(), transitive: false }
    }

    /// The same, inherited by every session that is begun from this one.
    #[must_use]
    pub fn transitive(mut self) -> Self {
        self.transitive = true;
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
        Self { duration, policy: None, tags: Vec::new(), source_identity: None, external_id: None }
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
        problems.extend(self.policy.iter().flat_map(|policy| policy.problems(account)));
        problems
    }

    /// Whether it is the same for every caller.
    pub(super) fn is_fixed(&self) -> bool {
        let values = self.tags.iter().map(|tag| &tag.value).chain(&self.source_identity);
        values.into_iter().all(|value| value.fixed().is_some())
    }

    /// As it is for whoever it is, where it is fixed.
    pub(super) fn for_everybody(&self, role: AwsRole) -> AssumeStep {
        let value = |value: &SessionValue| value.fixed().unwrap_or_default().to_owned();
        let policy = self.policy.clone().unwrap_or_default();
        AssumeStep {
            role,
            duration: self.duration,
            policy: policy.document,
            policy_arns: policy.arns,
            tags: self.tags.iter().map(|tag| (tag.key.clone(), value(&tag.value))).collect(),
            transitive_tag_keys: self.transitive_tag_keys(),
            source_identity: self.source_identity.as_ref().map(value),
            external_id: self.external_id.clone(),
        }
    }

    pub(super) fn choose(&self, caller: &Identity, role: &AwsRole) -> Result<Chosen, Error> {
        let mut tags = Vec::with_capacity(self.tags.len());
        for tag in &self.tags {
            let value = tag.value.of(caller, role)?;
            if !limits::is_tag_value(&value) {
                let what = "a tag's value for this caller is none that AWS takes";
                let source = format!("the tag is {:?}", tag.key);
                return Err(Error::new(Kind::InvalidStsRequest, what).with_source(source));
            }
            tags.push((tag.key.clone(), value.into_owned()));
        }
        let source_identity = match &self.source_identity {
            None => None,
            Some(value) => {
                let value = value.of(caller, role)?;
                if !limits::is_name(&value) {
                    let what = "the source identity for this caller is none that AWS takes";
                    return Err(Error::new(Kind::InvalidStsRequest, what));
                }
                Some(value.into_owned())
            }
        };
        Ok(Chosen { tags, source_identity, policy: self.policy.clone() })
    }

    pub(super) fn transitive_tag_keys(&self) -> Vec<String> {
        self.tags.iter().filter(|tag| tag.transitive).map(|tag| tag.key.clone()).collect()
    }

    /// Everything that was configured, for a digest.
    pub(super) fn describe(&self, fields: &mut Fields) {
        fields.bytes(&self.duration.as_secs().to_be_bytes());
        fields.maybe(self.external_id.as_deref());
        fields.list(self.tags.iter().map(|tag| tag.key.as_str()));
        for tag in &self.tags {
            fields.bytes(&[u8::from(tag.transitive)]);
            tag.value.describe(fields);
        }
        fields.maybe(self.source_identity.as_ref().map(|_| "source identity"));
        if let Some(value) = &self.source_identity {
            value.describe(fields);
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
        fields.list(self.tags.iter().map(|(_, value)| value.as_str()));
        fields.maybe(self.source_identity.as_deref());
    }
}

/// Keys of tags differ in more than case.
pub(super) fn same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
