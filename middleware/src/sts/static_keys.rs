use crate::proof::AwsCredentials;
use secrecy::SecretString;
use std::fmt;

/// Keys that were given out by hand and last until somebody takes them back.
///
/// ```
/// use countersign::sts::StaticKeys;
///
/// let keys = StaticKeys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
/// assert!(!format!("{keys:?}").contains("EXAMPLEKEY"));
/// ```
#[derive(Clone)]
pub struct StaticKeys {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
}

impl StaticKeys {
    /// A key pair, as an IAM user has it.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: SecretString) -> Self {
        Self { access_key_id: access_key_id.into(), secret_access_key, session_token: None }
    }

    /// The token that belongs to the keys of a session.
    #[must_use]
    pub fn with_session_token(mut self, token: SecretString) -> Self {
        self.session_token = Some(token);
        self
    }

    pub(super) fn into_credentials(self) -> AwsCredentials {
        AwsCredentials::new(self.access_key_id, self.secret_access_key, self.session_token, None)
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
