//! aws-config's providers, one at a time.

use super::{Ambient, none, place::Place};
use crate::{clock::Clock, proof::AwsCredentials, sts::aws, sts::refusal::Refusal};
use aws_config::{
    BehaviorVersion, Region, ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider, imds::credentials::ImdsCredentialsProvider,
    profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_sts::error::DisplayErrorContext;
use std::sync::Arc;

/// What all of them need to know.
pub(super) struct Providers<'a> {
    pub(super) ambient: &'a Ambient,
    pub(super) region: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Providers<'_> {
    pub(super) async fn load(&self, place: Place) -> Result<AwsCredentials, Refusal> {
        self.ask(place).await.map_err(|error| failed(place, &error))
    }

    /// `None` where there are none at that place, and nobody said that there were.
    pub(super) async fn load_optional(&self, place: Place) -> Result<Option<AwsCredentials>, Refusal> {
        match self.ask(place).await {
            Ok(credentials) => Ok(Some(credentials)),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Ok(None),
            Err(error) => Err(failed(place, &error)),
        }
    }

    async fn ask(&self, place: Place) -> Result<AwsCredentials, CredentialsError> {
        let config = ProviderConfig::without_region()
            .with_region(self.region.clone().map(Region::new))
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_http_client(aws::https_client())
            .with_time_source(aws::Ticking(self.clock.clone()));
        // The futures of these providers are large, and this is a call over the network.
        let credentials = match place {
            Place::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await,
            Place::Profile | Place::DefaultProfile => {
                Box::pin(profile(self.ambient, &config).provide_credentials()).await
            }
            Place::WebIdentity => {
                let provider = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
                Box::pin(provider.provide_credentials()).await
            }
            Place::Container => {
                let provider = EcsCredentialsProvider::builder().configure(&config).build();
                Box::pin(provider.provide_credentials()).await
            }
            Place::Instance => {
                let provider = ImdsCredentialsProvider::builder().configure(&config).build();
                Box::pin(provider.provide_credentials()).await
            }
        }?;
        Ok(AwsCredentials::new(
            credentials.access_key_id().to_owned(),
            credentials.secret_access_key().into(),
            credentials.session_token().map(Into::into),
            credentials.expiry(),
        ))
    }
}

/// Made anew each time, because it reads its files once only.
fn profile(ambient: &Ambient, config: &ProviderConfig) -> ProfileFileCredentialsProvider {
    let mut builder = ProfileFileCredentialsProvider::builder().configure(config);
    if let Some(name) = &ambient.profile {
        builder = builder.profile_name(name);
    }
    if let Some(path) = &ambient.file {
        let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Credentials, path).build();
        builder = builder.profile_files(files);
        if ambient.profile.is_none() {
            builder = builder.profile_name("default");
        }
    }
    builder.build()
}

fn failed(place: Place, error: &CredentialsError) -> Refusal {
    none(format!("{}: {}", place.name(), DisplayErrorContext(error)))
}
