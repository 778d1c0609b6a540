use secrecy::SecretString;
use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

/// Short-lived AWS credentials: the fact that `AssumeRole` and `ServiceCredentials` establish.
///
/// Cloning them is cheap. `Debug` shows the access key id, which is no secret, and nothing else that is.
#[derive(Clone)]
pub struct AwsCredentials(Arc<Parts>);

struct Parts {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    expires: Option<SystemTime>,
    prepared: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl AwsCredentials {
    #[allow(dead_code, reason = "`ServiceCredentials` makes them, where that is on")]
    pub(crate) fn new(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: Option<SecretString>,
        expires: Option<SystemTime>,
    ) -> Self {
        let prepared = OnceLock::new();
        Self(Arc::new(Parts { access_key_id, secret_access_key, session_token, expires, prepared }))
    }

    /// The name of the key, as CloudTrail shows it.
    pub fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// The key.
    pub fn secret_access_key(&self) -> &SecretString {
        &self.0.secret_access_key
    }

    /// What proves that the key is a session's; `None` for keys that last.
    pub fn session_token(&self) -> Option<&SecretString> {
        self.0.session_token.as_ref()
    }

    /// When they end; `None` for keys that last.
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.expires
    }

    /// What a signer keeps for these credentials, made when it is first asked for and dropped with the last of their
    /// clones. There is one signer, and so one type: for another one there is nothing.
    #[cfg_attr(not(feature = "sign"), allow(dead_code, reason = "nobody signs"))]
    pub(crate) fn slot<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.0.prepared.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials")
            .field("access_key_id", &self.0.access_key_id)
            .field("expires", &self.0.expires)
            .finish_non_exhaustive()
    }
}
