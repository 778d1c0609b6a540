use super::Refusal;
use crate::proof::{AwsCredentials, AwsRole, Identity};
use secrecy::SecretString;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Makes credentials for a caller. [`Sts`](super::Sts) is the real one; a test brings its own.
///
/// It is asked only when the cache has nothing, once for all who wait, and apart from the request that asked first:
/// its future runs to its end whoever gives up.
///
/// ```
/// use countersign::sts::{CredentialProvider, CredentialRequest, IssuedCredentials, Refusal};
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// impl CredentialProvider for Fixed {
///     async fn provide(&self, request: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
///         let expires = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
///         let name = format!("ASIA-{}", request.first().session_name());
///         Ok(IssuedCredentials::new(name, "secret".into(), "session".into(), expires))
///     }
/// }
/// ```
pub trait CredentialProvider: fmt::Debug + Send + Sync + 'static {
    /// Takes every step of `request`, and returns what the last one gave.
    fn provide(
        &self,
        request: CredentialRequest,
    ) -> impl Future<Output = Result<IssuedCredentials, Refusal>> + Send;
}

/// Which credentials are wanted: everything that STS is told.
#[derive(Clone, Debug)]
pub struct CredentialRequest {
    pub(super) caller: Identity,
    pub(super) proof: CallerProof,
    pub(super) first: AssumeStep,
    pub(super) hops: Vec<AssumeStep>,
}

/// What the first step is taken with.
#[derive(Clone)]
#[non_exhaustive]
pub enum CallerProof {
    /// A token about the caller, for `AssumeRoleWithWebIdentity`.
    WebIdentity(SecretString),
    /// Credentials of the service itself, for `AssumeRole`.
    Credentials(AwsCredentials),
}

/// One role to be assumed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeStep {
    pub(super) role: AwsRole,
    pub(super) duration: Duration,
    pub(super) policy: Option<Arc<str>>,
    pub(super) policy_arns: Arc<[String]>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_tag_keys: Vec<String>,
    pub(super) source_identity: Option<String>,
    pub(super) external_id: Option<String>,
}

/// What STS gave.
#[derive(Clone, Debug)]
pub struct IssuedCredentials {
    pub(super) credentials: AwsCredentials,
    pub(super) expires: SystemTime,
    pub(super) request_id: Option<String>,
}

impl CredentialRequest {
    /// Who it is for.
    pub fn caller(&self) -> &Identity {
        &self.caller
    }

    /// What the first step is taken with.
    pub fn proof(&self) -> &CallerProof {
        &self.proof
    }

    /// The role that was selected for the caller.
    pub fn first(&self) -> &AssumeStep {
        &self.first
    }

    /// The roles to go on to from there, each with the credentials of the one before.
    pub fn hops(&self) -> &[AssumeStep] {
        &self.hops
    }

    /// The role that is acted in at the end.
    pub fn last(&self) -> &AssumeStep {
        self.hops.last().unwrap_or(&self.first)
    }
}

impl AssumeStep {
    /// The role's ARN.
    pub fn role_arn(&self) -> &str {
        self.role.arn()
    }

    /// What CloudTrail will call the session.
    pub fn session_name(&self) -> &str {
        self.role.session_name()
    }

    /// How long the session is to last.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What the session may do at most, as a policy document.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// What it may do at most, as managed policies.
    pub fn policy_arns(&self) -> &[String] {
        &self.policy_arns
    }

    /// Session tags.
    pub fn tags(&self) -> &[(String, String)] {
        &self.tags
    }

    /// Which of the tags later hops inherit.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.transitive_tag_keys
    }

    /// Who started this, for CloudTrail, whatever roles are assumed after.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// What the role's owner agreed upon with us.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }
}

impl IssuedCredentials {
    /// Credentials of a session that ends.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: SecretString,
        session_token: SecretString,
        expires: SystemTime,
    ) -> Self {
        let credentials =
            AwsCredentials::new(access_key_id.into(), secret_access_key, Some(session_token), Some(expires));
        Self { credentials, expires, request_id: None }
    }

    /// By which id AWS knows the call that gave them.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// The credentials.
    pub fn credentials(&self) -> &AwsCredentials {
        &self.credentials
    }
}

impl fmt::Debug for CallerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebIdentity(_) => f.write_str("WebIdentity"),
            Self::Credentials(credentials) => f.debug_tuple("Credentials").field(credentials).finish(),
        }
    }
}
