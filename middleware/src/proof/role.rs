use std::sync::Arc;

/// The IAM role to act in, and the name to do it under: the fact that `SelectRole` establishes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AwsRole {
    arn: Arc<str>,
    session_name: Arc<str>,
}

impl AwsRole {
    #[cfg_attr(not(any(feature = "role", test)), expect(dead_code, reason = "`SelectRole` makes it"))]
    pub(crate) fn new(arn: impl Into<Arc<str>>, session_name: impl Into<Arc<str>>) -> Self {
        Self { arn: arn.into(), session_name: session_name.into() }
    }

    /// `arn:aws:iam::123456789012:role/Name`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// What CloudTrail will call the session.
    pub fn session_name(&self) -> &str {
        &self.session_name
    }
}
