//! One typed stack for each kind of auth. Order is checked by their types: see the library's manual.

use super::{
    aws,
    backend::{Backend, Call, Reply, Ways},
    client::{BackendClient, client},
    stdio::Bridge,
};
use crate::{
    config::{
        exchange::TokenExchange,
        headers::SecretUri,
        resolved::{self, Address, Auth, Reached},
    },
    federation::Renewal,
    store::Connections,
};
use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use countersign::{
    BoxError, CheckService, ServiceBuilderExt,
    attach::AttachHeadersLayer,
    exchange::{CallersToken, Exchange, RetryUnauthorizedLayer, Subject},
    proof::{Attached, Carry, NoCaller, Outbound, WithTokens},
    tokens::{Need, StoredTokens},
    transmit::Transmit,
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use std::{io, sync::Arc, time::Duration};
use tower::{
    Service, ServiceBuilder, ServiceExt, service_fn, timeout::TimeoutLayer, util::BoxCloneSyncService,
};

/// How long an answer may take to begin. What it streams after that takes as long as it likes.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// The callers' tokens at providers, which all backends share.
pub(crate) type Tokens = StoredTokens<Connections, Renewal>;

pub(super) type Called = Request<Carry<Attached, Full<Bytes>>>;
pub(super) type Probed = Request<Carry<NoCaller, Full<Bytes>>>;

/// The stack that leads to a backend, with `tokens` where some are kept.
///
/// # Errors
///
/// When nothing is known to trust in TLS.
pub(crate) fn backend(config: resolved::Backend, tokens: Option<&Tokens>) -> io::Result<Backend> {
    let resolved::Backend { name, reached } = config;
    let Address { url, auth, forward } = match reached {
        Reached::At(address) => address,
        Reached::By(program) => {
            let ways = by_program(Bridge::new(name.clone(), program));
            return Ok(Backend::new(name, Uri::default(), Vec::new(), ways));
        }
    };
    let kept = || tokens.cloned().ok_or_else(nothing_kept);
    let ways = match auth {
        Auth::None => with_headers(AttachHeadersLayer::none())?,
        Auth::Headers(headers) => with_headers(AttachHeadersLayer::new(headers))?,
        Auth::Query(uri) => {
            let wire = wire()?;
            Ways {
                call: with_query(uri.clone(), wire.clone()),
                probe: Some(with_query(uri, wire)),
                bridge: None,
                credentials: None,
            }
        }
        Auth::UpstreamToken(provider) => for_callers(with_upstream_token(provider, kept()?)?),
        Auth::Exchange(exchange) => for_callers(match *exchange {
            TokenExchange::Caller(exchange) => with_exchanged_token(exchange)?,
            TokenExchange::CallerWith(exchange, needs) => with_looked_up_exchange(exchange, needs, kept()?)?,
            TokenExchange::Upstream(exchange, needs) => with_looked_up_exchange(exchange, needs, kept()?)?,
        }),
        Auth::Aws(aws) => aws::ways(*aws, kept)?,
    };
    Ok(Backend::new(name, url, forward, ways))
}

/// A box around a stack whose answers come as they are.
fn boxed<R, S>(stack: S) -> BoxCloneSyncService<R, Reply, BoxError>
where
    R: Send + 'static,
    S: Service<R, Response = Response<Incoming>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(stack.map_response(|answer| answer.map(Either::Left)))
}

fn with_headers(attach: AttachHeadersLayer) -> io::Result<Ways> {
    let stack = ServiceBuilder::new().layer(TimeoutLayer::new(PATIENCE)).layer(attach).service(wire()?);
    let call = boxed(stack.clone().check::<Called>());
    Ok(Ways { call, probe: Some(boxed(stack.check::<Probed>())), bridge: None, credentials: None })
}

fn with_query<P: Outbound + Send + 'static>(
    uri: SecretUri,
    wire: Transmit<BackendClient>,
) -> BoxCloneSyncService<Request<Carry<P, Full<Bytes>>>, Reply, BoxError> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .map_request(move |mut request: Request<Carry<P, Full<Bytes>>>| {
            *request.uri_mut() = uri.expose().clone();
            request
        })
        .layer(AttachHeadersLayer::none())
        .service(wire);
    boxed(stack)
}

fn with_upstream_token(provider: Arc<str>, tokens: Tokens) -> io::Result<Call> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .resolve_tokens(tokens, [Need::access_token(provider.clone())])
        .attach_upstream_token(provider)
        .service(wire()?);
    Ok(boxed(stack.check::<Called>()))
}

fn with_exchanged_token(exchange: Exchange<CallersToken>) -> io::Result<Call> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .layer(RetryUnauthorizedLayer::new())
        .exchange_token(exchange)
        .attach_exchanged_token()
        .service(wire()?);
    Ok(boxed(stack.check::<Called>()))
}

fn with_looked_up_exchange<J: Subject<WithTokens<Attached>>>(
    exchange: Exchange<J>,
    needs: Vec<Need>,
    tokens: Tokens,
) -> io::Result<Call> {
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(PATIENCE))
        .layer(RetryUnauthorizedLayer::new())
        .resolve_tokens(tokens, needs)
        .exchange_token(exchange)
        .attach_exchanged_token()
        .service(wire()?);
    Ok(boxed(stack.check::<Called>()))
}

/// A backend that is asked in a caller's name or not at all.
fn for_callers(call: Call) -> Ways {
    Ways { call, probe: None, bridge: None, credentials: None }
}

/// A program has one identity, so nothing of who calls goes there.
fn by_program(bridge: Bridge) -> Ways {
    Ways {
        call: over(bridge.clone()),
        probe: Some(over(bridge.clone())),
        bridge: Some(bridge),
        credentials: None,
    }
}

fn over<P: Send + 'static>(
    bridge: Bridge,
) -> BoxCloneSyncService<Request<Carry<P, Full<Bytes>>>, Reply, BoxError> {
    let answer = service_fn(move |request: Request<Carry<P, Full<Bytes>>>| {
        let bridge = bridge.clone();
        async move {
            let (parts, carried) = request.into_parts();
            let (_, body) = carried.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = bridge.call(parts.method, &parts.headers, &body).await?;
            Ok::<_, BoxError>(answer.map(|body| Either::Right(Either::Right(body))))
        }
    });
    BoxCloneSyncService::new(ServiceBuilder::new().layer(TimeoutLayer::new(PATIENCE)).service(answer))
}

pub(super) fn wire() -> io::Result<Transmit<BackendClient>> {
    client().map(Transmit::new)
}

/// A configuration that says so was refused before.
fn nothing_kept() -> io::Error {
    io::Error::other("the backend needs callers' tokens, and none are kept")
}
