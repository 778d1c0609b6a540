//! The two calls.

use super::{
    answer,
    builder::{Sts, StsBuilder},
    guard::Turn,
};
use crate::{
    clock::Clock,
    error::Kind,
    proof::AwsCredentials,
    sts::{
        observe::{Call, Event},
        provider::{AssumeStep, CallerProof, CredentialProvider, CredentialRequest, IssuedCredentials},
        refusal::Refusal,
    },
};
use aws_sdk_sts::{
    config::{self, BehaviorVersion, IdentityCache, Region, SharedHttpClient, retry::RetryConfig},
    error::BoxError,
    operation::RequestId,
    types::{Credentials, PolicyDescriptorType, Tag},
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::tls;
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::SystemTime};
use tokio::time::Instant;
use tracing::Instrument;

/// The SDK's client, which signs with whatever a call brings along.
#[derive(Clone, Debug)]
pub(super) struct Client {
    config: config::Config,
    anonymous: aws_sdk_sts::Client,
}

/// Answers and the id that AWS knows the call by.
type Answered = Result<IssuedCredentials, Refusal>;

impl CredentialProvider for Sts {
    async fn provide(&self, request: CredentialRequest) -> Answered {
        let steps = || [&request.first].into_iter().chain(&request.hops);
        if let Some(step) = steps().find(|step| !self.0.partition.holds(step.role_arn())) {
            let (role, partition) = (step.role_arn(), self.0.partition.name());
            let what = format!("the role {role} is not in the partition {partition}, where STS is called");
            return Err(Refusal::new(Kind::InvalidStsRequest, what));
        }
        let first = match &request.proof {
            CallerProof::WebIdentity(token) => Action::Exchange(token),
            CallerProof::Credentials(credentials) => Action::Assume(credentials),
        };
        let mut issued = self.call(first, &request.first).await?;
        for hop in &request.hops {
            issued = self.assume(hop, &issued.credentials).await?;
        }
        Ok(issued)
    }
}

impl Sts {
    /// Assumes one role with these credentials.
    pub(in crate::sts) async fn assume(&self, step: &AssumeStep, credentials: &AwsCredentials) -> Answered {
        self.call(Action::Assume(credentials), step).await
    }

    async fn call(&self, action: Action<'_>, step: &AssumeStep) -> Answered {
        let mut attempts = self.0.guard.begin();
        loop {
            let turn = attempts.turn().await?;
            match self.observed(turn, action, step).await {
                Ok(issued) => return Ok(issued),
                Err(refusal) => attempts.again(refusal).await?,
            }
        }
    }

    async fn observed(&self, turn: Turn<'_>, action: Action<'_>, step: &AssumeStep) -> Answered {
        let started = Instant::now();
        let span = tracing::debug_span!("sts", action = action.name(), role = step.role_arn());
        let answered = match action {
            Action::Exchange(token) => {
                turn.attempt(self.0.client.exchange(step, token)).instrument(span).await
            }
            Action::Assume(credentials) => {
                turn.attempt(self.0.client.assume(step, credentials)).instrument(span).await
            }
        };
        let (action, role, latency) = (action.name(), step.role_arn(), started.elapsed());
        let outcome = answered.as_ref().map(|_| ()).map_err(Refusal::kind);
        let request_id = answered.as_ref().ok().and_then(|issued| issued.request_id.as_deref());
        self.0.observer.observe(&Event::Call(Call { action, role, outcome, latency, request_id }));
        tracing::debug!(action, role, request_id, ?outcome, ?latency, "called STS");
        answered
    }
}

/// What to call STS with.
#[derive(Clone, Copy)]
enum Action<'a> {
    Exchange(&'a SecretString),
    Assume(&'a AwsCredentials),
}

impl Action<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Exchange(_) => "AssumeRoleWithWebIdentity",
            Self::Assume(_) => "AssumeRole",
        }
    }
}

impl Client {
    pub(super) fn new(settings: &StsBuilder) -> Self {
        let mut builder = config::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .use_fips(settings.fips)
            .http_client(https_client())
            // Attempts are counted, observed and limited in one place, and that is not there.
            .retry_config(RetryConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .time_source(Ticking(settings.clock.clone()))
            .allow_no_auth();
        builder.set_endpoint_url(settings.endpoint.clone());
        let config = builder.build();
        Self { anonymous: aws_sdk_sts::Client::from_conf(config.clone()), config }
    }

    async fn exchange(&self, step: &AssumeStep, token: &SecretString) -> Answered {
        let call = self
            .anonymous
            .assume_role_with_web_identity()
            .role_arn(step.role_arn())
            .role_session_name(step.session_name())
            .web_identity_token(token.expose_secret())
            .set_duration_seconds(seconds(step))
            .set_policy(step.policy().map(str::to_owned))
            .set_policy_arns(policy_arns(step));
        // The SDK's futures are large, and this is a network call.
        match Box::pin(call.send()).await {
            Ok(answer) => issued(answer.credentials(), answer.request_id()),
            Err(error) => Err(answer::refusal(&error, token.expose_secret(), false)),
        }
    }

    async fn assume(&self, step: &AssumeStep, credentials: &AwsCredentials) -> Answered {
        let credentials = config::Credentials::new(
            credentials.access_key_id(),
            credentials.secret_access_key().expose_secret(),
            credentials.session_token().map(|token| token.expose_secret().to_owned()),
            None,
            "countersign",
        );
        let config = self.config.to_builder().credentials_provider(credentials).build();
        let tags: Result<Vec<Tag>, _> =
            step.tags().iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let tags = tags.map_err(|error| Refusal::new(Kind::InvalidStsRequest, error))?;
        let call = aws_sdk_sts::Client::from_conf(config)
            .assume_role()
            .role_arn(step.role_arn())
            .role_session_name(step.session_name())
            .set_duration_seconds(seconds(step))
            .set_policy(step.policy().map(str::to_owned))
            .set_policy_arns(policy_arns(step))
            .set_tags((!tags.is_empty()).then_some(tags))
            .set_transitive_tag_keys(some(step.transitive_tag_keys()))
            .set_source_identity(step.source_identity().map(str::to_owned))
            .set_external_id(step.external_id().map(str::to_owned));
        match Box::pin(call.send()).await {
            Ok(answer) => issued(answer.credentials(), answer.request_id()),
            Err(error) => Err(answer::refusal(&error, "", true)),
        }
    }
}

fn issued(credentials: Option<&Credentials>, request_id: Option<&str>) -> Answered {
    let incomplete = || Refusal::new(Kind::StsUnavailable, "the answer of STS has no credentials in it");
    let credentials = credentials.ok_or_else(incomplete)?;
    let expires = SystemTime::try_from(*credentials.expiration())
        .map_err(BoxError::from)
        .map_err(|error| Refusal::new(Kind::StsUnavailable, error))?;
    let parts = [credentials.access_key_id(), credentials.secret_access_key(), credentials.session_token()];
    if parts.iter().any(|part| part.is_empty()) {
        return Err(incomplete());
    }
    let [id, secret, token] = parts;
    let issued = IssuedCredentials::new(id, secret.into(), token.into(), expires);
    Ok(match request_id {
        Some(id) => issued.with_request_id(id),
        None => issued,
    })
}

fn seconds(step: &AssumeStep) -> Option<i32> {
    i32::try_from(step.duration().as_secs()).ok()
}

fn policy_arns(step: &AssumeStep) -> Option<Vec<PolicyDescriptorType>> {
    let arns = step.policy_arns().iter();
    let arns: Vec<_> = arns.map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect();
    (!arns.is_empty()).then_some(arns)
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// Connections over TLS, and without it to addresses that say so: those were checked when they were configured.
pub(in crate::sts) fn https_client() -> SharedHttpClient {
    let rustls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(rustls).build_https()
}

/// Our clock, for the SDK.
#[derive(Debug)]
pub(in crate::sts) struct Ticking(pub(in crate::sts) Arc<dyn Clock>);

impl TimeSource for Ticking {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
