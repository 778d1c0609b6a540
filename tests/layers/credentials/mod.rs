//! `AssumeRole`, `ServiceCredentials` and the cache, against the STS double.

mod ambient;
mod flight;
mod keys;
mod lifetime;
mod recorder;
mod refusals;
mod renew;
mod secrets;
mod sources;

use self::recorder::Recorder;
use crate::world::Shared;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    BoxError, Error, Kind, ServiceBuilderExt,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Attached, Authenticated, AwsCredentials, Carry, Proves, WithCredentials, WithRole},
    respond::Answer,
    role::Roles,
    sts::{CredentialCache, CredentialProvider, Session, Sts, StsBuilder},
};
use countersign_fixtures::{
    clock::Clock,
    keys::Algorithm,
    sts::Call,
    world::{self, World},
};
use http::Request;
use serde_json::{Map, Value};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

const EXCHANGE: &str = "AssumeRoleWithWebIdentity";
const ASSUME: &str = "AssumeRole";
const SECOND: Duration = Duration::from_secs(1);

/// Issuer, STS, the time they go by, and who watches.
struct Scene {
    clock: Clock,
    world: World,
    recorder: Arc<Recorder>,
}

/// From a caller to the credentials that a backend's request would be signed with.
type Stack = BoxCloneSyncService<Request<Carry<Attached, ()>>, AwsCredentials, BoxError>;

impl Scene {
    async fn new() -> Self {
        let clock = Clock::default();
        Self { world: World::start(clock.clone()).await, clock, recorder: Arc::default() }
    }

    /// STS, as the library calls it here.
    fn sts(&self) -> StsBuilder {
        Sts::builder("us-east-1")
            .with_endpoint(self.world.sts.url())
            .with_clock(self.our_clock())
            .with_observer(self.recorder.clone())
    }

    fn cache<C: CredentialProvider>(&self, provider: C) -> CredentialCache<C> {
        CredentialCache::builder(provider)
            .with_clock(self.our_clock())
            .with_observer(self.recorder.clone())
            .build()
    }

    /// Everybody's role, with a cache of its own.
    fn stack(&self, session: Session) -> Stack {
        stack(&self.cache(self.sts().build().unwrap()), world::USER, session)
    }

    fn our_clock(&self) -> Arc<Shared> {
        Arc::new(Shared(self.clock.clone()))
    }

    /// A token for STS.
    fn token(&self, subject: &str) -> String {
        self.mint(subject).token()
    }

    fn mint(&self, subject: &str) -> countersign_fixtures::idp::Mint {
        self.world.idp.mint(subject).audience(world::STS_AUDIENCE).algorithm(Algorithm::ES256)
    }

    /// Calls of `action` that reached STS.
    fn calls(&self, action: &str) -> u64 {
        self.world.sts.calls(action)
    }

    fn last_call(&self) -> Call {
        self.world.sts.log().pop().unwrap()
    }
}

/// Role selection that always selects `role`, then `AssumeRole`, then nothing but the credentials.
fn stack<C: CredentialProvider>(cache: &CredentialCache<C>, role: &str, session: Session) -> Stack {
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .select_role(roles(role))
            .assume_role(cache, session)
            .service(service_fn(credentials)),
    )
}

fn roles(role: &str) -> Roles {
    Roles::builder()
        .with_fallback(role.parse().unwrap())
        .with_session_name("{claims.sub}".parse().unwrap())
        .build()
        .unwrap()
}

async fn credentials(
    request: Request<Carry<WithCredentials<WithRole<Attached>>, ()>>,
) -> Result<AwsCredentials, BoxError> {
    let credentials: &AwsCredentials = request.body().proof().fact();
    Ok(credentials.clone())
}

/// Whoever the token says, believed without a look at its signature: that is STS's part here.
async fn caller(token: &str) -> Authenticated {
    vouch(claims_of(token), Some(token)).await
}

fn claims_of(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).map(|payload| URL_SAFE_NO_PAD.decode(payload).unwrap());
    payload.map_or_else(somebody, |payload| serde_json::from_slice(&payload).unwrap())
}

/// What an opaque token stands for.
fn somebody() -> Map<String, Value> {
    [("iss", "https://login.example.com"), ("sub", "somebody")]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into_iter()
        .collect()
}

async fn vouch(claims: Map<String, Value>, token: Option<&str>) -> Authenticated {
    vouch_until(claims, token, None).await
}

async fn vouch_until(
    claims: Map<String, Value>,
    token: Option<&str>,
    ends: Option<SystemTime>,
) -> Authenticated {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("nobody").to_owned();
    let mut identity = TrustedIdentity::new(text("iss"), text("sub")).with_claims(claims.clone());
    if let Some(token) = token {
        identity = identity.with_token(token.into());
    }
    if let Some(ends) = ends {
        identity = identity.with_expiry(ends);
    }
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().into_parts().0)
    });
    let mut service = ServiceBuilder::new()
        .layer(TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone())))
        .service(proof);
    service.ready().await.unwrap().call(Request::new(())).await.unwrap()
}

async fn ask(stack: &Stack, caller: &Authenticated) -> Result<AwsCredentials, BoxError> {
    let request = caller.attach(Request::new(())).unwrap();
    stack.clone().oneshot(request).await
}

async fn ask_with(stack: &Stack, token: &str) -> Result<AwsCredentials, BoxError> {
    ask(stack, &caller(token).await).await
}

fn kind(error: &BoxError) -> Kind {
    error.downcast_ref::<Error>().unwrap_or_else(|| panic!("{error} is none of ours")).kind()
}

fn status(error: &BoxError) -> u16 {
    Answer::to(&**error).status().as_u16()
}

/// An error with everything below it.
fn chain(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text.push_str(": ");
        text.push_str(&source.to_string());
        below = source.source();
    }
    text
}
