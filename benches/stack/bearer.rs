//! Stacks for backends that take bearer tokens, warm: nothing is renewed, and nothing is exchanged any more.

use super::{answer, attached, nowhere};
use countersign::{
    BoxError, ServiceBuilderExt,
    attach::FixedHeaders,
    exchange::{CallersToken, Exchange},
    proof::{Authenticated, UpstreamToken},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
    tokens::{
        Account, Connection, Lease, Refresh, RefreshFailure, Refreshed, Refusal, StoredTokens, TokenRequest,
        TokenSource, TokenStore, Written,
    },
};
use countersign_benches::Contest;
use countersign_fixtures::{
    idp::{AuthMethod, Client},
    world::World,
};
use futures_util::FutureExt;
use secrecy::SecretString;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};
use tokio::runtime::Runtime;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const URL: &str = "https://example.com/mcp";

/// A source that has the token at hand.
#[derive(Debug)]
struct AtHand(UpstreamToken);

/// A store that has the same for everybody, and a provider that is never asked.
#[derive(Clone, Debug)]
struct Same(Connection);

/// Each kind beside a bare call, over a service that answers at once.
pub(super) fn bearers(runtime: &Runtime, world: &World, caller: &Authenticated) {
    let mut bare = service_fn(|_: super::Call| ready(Ok::<_, Infallible>(answer())));
    let headers = FixedHeaders::builder().with("x-api-key", "of-this-service".into());
    let mut headers =
        ServiceBuilder::new().attach_headers(headers.build().expect("it is a header")).service(nowhere());
    let token = UpstreamToken::new("gho_0123456789abcdefghijklmnopqrstuvwxyz".into(), None, None);
    let mut at_hand = ServiceBuilder::new()
        .resolve_tokens(AtHand(token), ["github"])
        .attach_upstream_token("github")
        .service(nowhere());
    let now = world.idp.clock().now();
    let hour = Connection::new("gho_0123456789abcdefghijklmnopqrstuvwxyz".into(), now)
        .with_expires(now + Duration::from_secs(3600));
    let stored = StoredTokens::new(Same(hour.clone()), Same(hour));
    let stored = ServiceBuilder::new()
        .resolve_tokens(stored, ["github"])
        .attach_upstream_token("github")
        .service(nowhere());
    world.idp.register(Client::confidential("gateway", "hush", AuthMethod::ClientSecretBasic));
    let endpoint =
        TokenEndpoint::new(world.idp.url("/token"), ClientAuthentication::basic("gateway", "hush".into()));
    let exchange = Exchange::builder(endpoint, CallersToken::new()).with_audience("it").build();
    let mut exchanged = ServiceBuilder::new()
        .exchange_token(exchange.expect("it is on this machine"))
        .attach_exchanged_token()
        .service(nowhere());
    // The first call fills the cache; it waits for the provider.
    runtime.block_on(exchanged.clone().oneshot(attached(caller, URL))).expect("the provider exchanges");

    let go = || attached(caller, URL);
    let _entered = runtime.enter();
    Contest::new("a call to a backend that takes bearer tokens (the inner service answers at once)")
        .entry("attach", || bare.call(go()).now_or_never().expect("it is warm").expect("it answers"))
        .entry("AttachHeaders", || {
            headers.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .entry("ResolveTokens, a token at hand, AttachToken", || {
            at_hand.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .entry("ResolveTokens, from a store, AttachToken", || {
            runtime.block_on(stored.clone().oneshot(go())).expect("it answers")
        })
        .entry("ExchangeToken, remembered, AttachToken", || {
            exchanged.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .run();
}

impl TokenSource for AtHand {
    type Future = Ready<Result<UpstreamToken, Refusal>>;

    fn token(&self, _: TokenRequest) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

impl TokenStore for Same {
    async fn load(&self, _: &Account) -> Result<Option<Connection>, BoxError> {
        Ok(Some(self.0.clone()))
    }

    async fn lease(&self, _: &Account, _: Duration) -> Result<Option<Lease>, BoxError> {
        Ok(None)
    }

    async fn replace(&self, _: &Account, _: Lease, _: &Connection) -> Result<Written, BoxError> {
        Ok(Written::Superseded)
    }

    async fn remove(&self, _: &Account, _: Lease) -> Result<Written, BoxError> {
        Ok(Written::Superseded)
    }

    async fn release(&self, _: &Account, _: Lease) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Refresh for Same {
    async fn refresh(&self, _: &str, _: &SecretString) -> Result<Refreshed, RefreshFailure> {
        Err(RefreshFailure::Unspent("a token of an hour needs no other".into(), None))
    }
}
