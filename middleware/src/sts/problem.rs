use std::fmt;

/// What is wrong with a configuration: everything at once, each with its place.
///
/// ```
/// use countersign::sts::Session;
/// use std::time::Duration;
///
/// let error = Session::caller().with_duration(Duration::from_secs(60)).build().unwrap_err();
/// assert_eq!(error.problems(), ["duration 60s: a session lasts 900 s to 43,200 s, in whole seconds"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// `Ok` where nothing is wrong.
    pub(super) fn unless_empty(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
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
