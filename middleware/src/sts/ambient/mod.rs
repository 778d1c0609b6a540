//! The service's own credentials, from where it runs.

mod place;
mod providers;

use self::{
    place::{Choice, Place},
    providers::Providers,
};
use super::refusal::Refusal;
use crate::{
    clock::Clock,
    error::{BoxError, Kind},
    proof::AwsCredentials,
};
use secrecy::ExposeSecret;
use std::{fmt, path::PathBuf, sync::Arc};

/// The credentials that the place provides where a service runs.
///
/// Looked for in the order of AWS's SDKs: environment variables, a profile, IAM roles for service accounts (a token
/// file), ECS and EKS Pod Identity (an address of a container's own), EC2's metadata service. The first that is set up
/// is used, and where it does not work that is an error: nobody else's credentials are taken instead.
///
/// ```
/// use countersign::sts::{Ambient, ServiceIdentity};
///
/// let service = ServiceIdentity::from(Ambient::new().with_region("eu-west-1"));
/// ```
#[derive(Clone, Default)]
pub struct Ambient {
    region: Option<String>,
    profile: Option<String>,
    file: Option<PathBuf>,
}

impl Ambient {
    /// Whatever there is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this profile of AWS's shared configuration files.
    #[must_use]
    pub fn with_profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Only this credentials file (in the format of `~/.aws/credentials`), the profile `default` of it unless another
    /// is named. It is read again when it changes, within a quarter of an hour.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Where STS is called, by service accounts and by profiles that assume a role (`AWS_REGION`).
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    pub(super) async fn load(&self, clock: Arc<dyn Clock>) -> Result<AwsCredentials, Refusal> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let named = self.profile.is_some() || self.file.is_some();
        let Choice { place, after_default_profile } = if named {
            Choice { place: Place::Profile, after_default_profile: false }
        } else {
            place::choose(variable).map_err(none)?
        };
        let region = self.region.clone();
        let region = region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let providers = Providers { ambient: self, region, clock };
        if after_default_profile
            && let Some(credentials) = providers.load_optional(Place::DefaultProfile).await?
        {
            return complete(credentials);
        }
        complete(providers.load(place).await?)
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambient")
            .field("profile", &self.profile)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// The credentials, if nothing of them is missing.
pub(super) fn complete(credentials: AwsCredentials) -> Result<AwsCredentials, Refusal> {
    let id = credentials.access_key_id();
    if id.is_empty() || credentials.secret_access_key().expose_secret().is_empty() {
        return Err(none("access key id or secret access key is empty; both are needed"));
    }
    let token = credentials.session_token().map_or("", |token| token.expose_secret());
    if id.starts_with("ASIA") && token.is_empty() {
        return Err(none("the key is a session's (ASIA…) and its session token is missing"));
    }
    Ok(credentials)
}

pub(super) fn none(why: impl Into<BoxError>) -> Refusal {
    Refusal::new(Kind::NoServiceCredentials, why)
}
