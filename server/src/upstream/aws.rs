//! Requests that are signed with AWS SigV4, in whoever's name.

use super::{
    backend::{Call, Reply, Ways},
    client::BackendClient,
    stack::{Called, PATIENCE, Tokens, wire},
};
use crate::config::aws::{AsCaller, Aws, Credentials};
use axum::http::{Request, Response};
use bytes::Bytes;
use countersign::{
    BoxError, CheckService, ServiceBuilderExt,
    proof::{Carry, Outbound, Uncredentialed},
    sign::{CorrectClockLayer, CorrectedClock, Examined, SignRequestLayer},
    sts::{CredentialCache, RenewCredentialsLayer, ServiceIdentity, Sts},
    tokens::Need,
    transmit::Transmit,
};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use std::{io, sync::Arc};
use tower::{Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer, util::BoxCloneSyncService};

/// What signs for one backend, and believes it about the time.
#[derive(Clone)]
struct Signing {
    correct: CorrectClockLayer,
    sign: SignRequestLayer,
    wire: Transmit<BackendClient>,
}

/// The ways to a backend on AWS, with callers' `tokens` where it needs those.
pub(super) fn ways(aws: Aws, tokens: impl FnOnce() -> io::Result<Tokens>) -> io::Result<Ways> {
    let clock = CorrectedClock::default();
    let sign = SignRequestLayer::new(aws.target).with_clock(Arc::new(clock.clone()));
    let sign = match &aws.host {
        Some(host) => sign.with_signed_host(host),
        None => sign,
    };
    let correct = CorrectClockLayer::new(clock).explaining(sign.signer());
    let signing = Signing { correct, sign, wire: wire()? };
    Ok(match aws.credentials {
        Credentials::WebIdentity { as_caller, needs } => {
            let kept = CredentialCache::new(as_caller.sts.clone());
            let call = as_the_caller(*as_caller, &kept, needs, tokens, signing)?;
            Ways { call, probe: None, bridge: None, credentials: Some(kept) }
        }
        Credentials::Brokered { as_caller, needs, identity } => {
            let kept = CredentialCache::new(as_caller.sts.clone());
            let call = as_the_caller(*as_caller, &kept, needs, tokens, signing.clone())?;
            let probe = Some(as_this_server(identity, signing));
            Ways { call, probe, bridge: None, credentials: Some(kept) }
        }
        Credentials::Service(identity) => Ways {
            call: as_this_server(identity.clone(), signing.clone()),
            probe: Some(as_this_server(identity, signing)),
            bridge: None,
            credentials: None,
        },
    })
}

fn as_the_caller(
    AsCaller { roles, session, .. }: AsCaller,
    kept: &CredentialCache<Sts>,
    needs: Vec<Need>,
    tokens: impl FnOnce() -> io::Result<Tokens>,
    signing: Signing,
) -> io::Result<Call> {
    if needs.is_empty() {
        let stack = ServiceBuilder::new()
            .layer(TimeoutLayer::new(PATIENCE))
            .layer(RenewCredentialsLayer::new())
            .select_role(roles)
            .assume_role(kept, session)
            .layer(signing.correct)
            .layer(signing.sign)
            .service(signing.wire);
        return Ok(boxed(stack.check::<Called>()));
    }
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .resolve_tokens(tokens()?, needs)
        .layer(RenewCredentialsLayer::new())
        .select_role(roles)
        .assume_role(kept, session)
        .layer(signing.correct)
        .layer(signing.sign)
        .service(signing.wire);
    Ok(boxed(stack.check::<Called>()))
}

/// Whoever calls, and if nobody does.
fn as_this_server<P: Outbound + Uncredentialed + Clone + Send + Sync + 'static>(
    identity: ServiceIdentity,
    signing: Signing,
) -> BoxCloneSyncService<Request<Carry<P, Full<Bytes>>>, Reply, BoxError> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .layer(RenewCredentialsLayer::new())
        .service_credentials(identity)
        .layer(signing.correct)
        .layer(signing.sign)
        .service(signing.wire);
    boxed(stack)
}

/// A box around a stack that looks into answers.
fn boxed<R, S>(stack: S) -> BoxCloneSyncService<R, Reply, BoxError>
where
    R: Send + 'static,
    S: Service<R, Response = Response<Examined<Incoming>>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(
        stack.map_response(|answer| answer.map(|body| Either::Right(Either::Left(body)))),
    )
}
