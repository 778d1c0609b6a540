use super::{
    key::{Digest, Fields},
    problem::ConfigError,
};
use std::{sync::Arc, time::Duration};

/// How a backend's callers assume their roles: with what, and for how long.
#[derive(Clone, Debug)]
pub struct Session(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    source: Source,
    duration: Duration,
    ends_with_caller: bool,
    digest: Digest,
}

/// What the first step is taken with.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Caller,
}

/// Puts a [`Session`] together.
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    source: Source,
    duration: Duration,
    ends_with_caller: bool,
}

impl Session {
    /// The caller's own token is exchanged at STS.
    pub fn caller() -> SessionBuilder {
        SessionBuilder {
            source: Source::Caller,
            duration: Duration::from_secs(3600),
            ends_with_caller: false,
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    pub(super) fn duration(&self) -> Duration {
        self.0.duration
    }

    pub(super) fn ends_with_caller(&self) -> bool {
        self.0.ends_with_caller
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.0.digest
    }
}

impl Default for Session {
    /// The caller's own token is exchanged, for an hour.
    fn default() -> Self {
        Session::caller().resolve()
    }
}

impl SessionBuilder {
    /// How long sessions last (an hour; 900 s to 43,200 s, and no longer than the role allows).
    #[must_use]
    pub fn with_duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// Uses no credentials for longer than the caller's own token lasts.
    #[must_use]
    pub fn ending_with_caller(mut self) -> Self {
        self.ends_with_caller = true;
        self
    }

    /// The session.
    ///
    /// # Errors
    ///
    /// Everything that AWS would refuse later, at once.
    pub fn build(self) -> Result<Session, ConfigError> {
        let mut problems = Vec::new();
        if !(900..=43_200).contains(&self.duration.as_secs()) {
            let seconds = self.duration.as_secs();
            problems.push(format!("duration {seconds} s: a session lasts 900 s to 43,200 s"));
        }
        ConfigError::unless_empty(problems)?;
        Ok(self.resolve())
    }

    fn resolve(self) -> Session {
        let mut fields = Fields::new("session");
        fields.text(match self.source {
            Source::Caller => "caller",
        });
        fields.bytes(&self.duration.as_secs().to_be_bytes());
        fields.bytes(&[u8::from(self.ends_with_caller)]);
        Session(Arc::new(Parts {
            source: self.source,
            duration: self.duration,
            ends_with_caller: self.ends_with_caller,
            digest: fields.digest(),
        }))
    }
}
