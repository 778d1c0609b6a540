use crate::proof::AwsCredentials;
use secrecy::SecretString;
use std::fmt;

/// Keys to sign with where no layer establishes any: for a [`Signer`](super::Signer) of one's own.
///
/// What is prepared for signing with them is kept in them, so make them once and share them: clones are cheap. The
/// secret and everything derived from it is overwritten when the last one is dropped.
///
/// ```
/// use countersign::sign::Keys;
///
/// let keys = Keys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
/// assert!(!format!("{keys:?}").contains("EXAMPLEKEY"));
/// ```
#[derive(Clone)]
pub struct Keys(AwsCredentials);

impl Keys {
    /// A key pair, as an IAM user has it.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: SecretString) -> Self {
        Self(AwsCredentials::new(access_key_id.into(), secret_access_key, None, None))
    }

    /// The keys of a session.
    pub fn of_session(
        access_key_id: impl Into<String>,
        secret_access_key: SecretString,
        session_token: SecretString,
    ) -> Self {
        Self(AwsCredentials::new(access_key_id.into(), secret_access_key, Some(session_token), None))
    }

    pub(super) fn credentials(&self) -> &AwsCredentials {
        &self.0
    }
}

/// What a layer established, for a signer of one's own. Both share what is prepared.
impl From<AwsCredentials> for Keys {
    fn from(credentials: AwsCredentials) -> Self {
        Self(credentials)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.0.access_key_id()).finish_non_exhaustive()
    }
}
