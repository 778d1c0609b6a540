use std::fmt;

/// What is wrong with a configuration: everything at once, each with its place.
///
/// ```
/// use countersign::token_endpoint::ClientKey;
///
/// let error = ClientKey::from_pem("no key", "2027-01").unwrap_err();
/// assert!(error.problems()[0].starts_with("the client's key"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(crate) fn one(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }

    pub(crate) fn all(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// One line each: where, what, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for ConfigError {}
