//! What each layer of an outbound stack costs on the warm path, beside a bare call of the client.
//!
//! `cargo bench --bench stack`
#![allow(
    clippy::expect_used,
    clippy::large_futures,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

mod bearer;

use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    expression::Expression,
    identity::{Issuer, Verifier, VerifyIdentity},
    outgoing::Payload,
    proof::{Attached, Authenticated, Carry, Operation, Tool},
    role::{Roles, Rule},
    sign::SigningTarget,
    sts::{CredentialCache, Session, StaticKeys, Sts},
    transmit::Transmit,
};
use countersign_benches::Contest;
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    world::{ADMIN, STS_AUDIENCE, USER, World},
};
use futures_util::FutureExt;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{
    convert::Infallible,
    future::{Ready, ready},
};
use tokio::runtime::Runtime;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::ServiceFn};

type Call = Request<Carry<Attached, Full<Bytes>>>;

const BODY: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_items","arguments":{}}}"#;

fn main() {
    let runtime = Runtime::new().expect("there are threads");
    // The doubles, and the task that accepts connections, have threads of their own.
    let world = runtime.block_on(World::start(Clock::default()));
    let server = runtime.block_on(Server::start(axum::Router::new().fallback(|| async { "{}" })));
    let caller = runtime.block_on(verified(&world));
    layers(&runtime, &world, &caller);
    bearer::bearers(&runtime, &world, &caller);
    calls(&runtime, &world, &caller, &server);
}

/// Each layer over a service that answers at once.
fn layers(runtime: &Runtime, world: &World, caller: &Authenticated) {
    let cache = cache(world);
    let mut full = ServiceBuilder::new()
        .select_role(rules())
        .assume_role(&cache, Session::default())
        .sign_request(target())
        .service(nowhere());
    // The first call fills the cache; it may wait for STS.
    runtime.block_on(full.clone().oneshot(attached(caller, "https://example.com/mcp"))).expect("STS answers");
    let keys = || StaticKeys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
    let mut bare = service_fn(|_: Call| ready(Ok::<_, Infallible>(answer())));
    let mut signed =
        ServiceBuilder::new().service_credentials(keys()).sign_request(target()).service(nowhere());
    let mut selected = ServiceBuilder::new()
        .select_role(rules())
        .service_credentials(keys())
        .sign_request(target())
        .service(nowhere());
    let go = || attached(caller, "https://example.com/mcp");
    let _entered = runtime.enter();
    Contest::new("a call through each more layer (the inner service answers at once)")
        .entry("attach", || bare.call(go()).now_or_never().expect("it is warm").expect("it answers"))
        .entry("+ SignRequest, with keys that are there", || {
            signed.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .entry("+ SelectRole, two rules", || {
            selected.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .entry("+ AssumeRole, remembered", || {
            full.call(go()).now_or_never().expect("it is warm").expect("it answers")
        })
        .run();
}

/// The same over a connection to this machine, beside the client alone.
fn calls(runtime: &Runtime, world: &World, caller: &Authenticated, server: &Server) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Payload<Full<Bytes>>>();
    let plain = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let cache = cache(world);
    let stack = ServiceBuilder::new()
        .select_role(rules())
        .assume_role(&cache, Session::default())
        .sign_request(target())
        .service(Transmit::new(client));
    let url = format!("{}/mcp", server.url());
    let bare = || {
        runtime.block_on(async {
            let request = Request::post(&url).header(CONTENT_TYPE, "application/json").body(Full::from(BODY));
            let response = plain.request(request.expect("it is a request")).await.expect("it answers");
            response.into_body().collect().await.expect("it ends").to_bytes()
        })
    };
    let signed = || {
        runtime.block_on(async {
            let response = stack.clone().oneshot(attached(caller, &url)).await.expect("it answers");
            response.into_body().collect().await.expect("it ends").to_bytes()
        })
    };
    Contest::new("a call over loopback, answer read")
        .entry("the client alone", bare)
        .entry("SelectRole, AssumeRole, SignRequest, Transmit", signed)
        .run();
}

fn attached(caller: &Authenticated, url: &str) -> Call {
    let request = Request::post(url).header(CONTENT_TYPE, "application/json").body(Full::from(BODY));
    let about = caller.clone().about(Operation::on("warehouse").calling(Tool::named("list_items")));
    about.attach(request.expect("it is a request")).expect("nothing expired")
}

fn rules() -> Roles {
    let parsed = |arn: &str| arn.parse().expect("it is a role's");
    let reading =
        Expression::compile("tool.read_only && \"readers\" in claims.groups").expect("it is an expression");
    Roles::builder()
        .rule(Rule::when(reading, parsed(USER)))
        .rule(Rule::claim("admins", parsed(ADMIN)))
        .build()
        .expect("the rules are good")
}

fn target() -> SigningTarget {
    SigningTarget::new("execute-api", "us-east-1").expect("both are names")
}

fn cache(world: &World) -> CredentialCache<Sts> {
    let sts = Sts::builder("us-east-1").with_endpoint(world.sts.url()).build();
    CredentialCache::new(sts.expect("it is on this machine"))
}

type Sent = Request<Payload<Full<Bytes>>>;
type Nowhere = Transmit<ServiceFn<fn(Sent) -> Answered>>;
type Answered = Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// What answers at once, without a network.
fn nowhere() -> Nowhere {
    Transmit::dangerous_over(service_fn(|_| ready(Ok(answer()))))
}

fn answer() -> Response<Full<Bytes>> {
    Response::new(Full::from("{}"))
}

/// Somebody whose token was just verified, and whom STS knows.
async fn verified(world: &World) -> Authenticated {
    let issuer = Issuer::new(world.idp.issuer(), STS_AUDIENCE);
    let verifier = Verifier::builder().trust(issuer).build().expect("the issuer is good");
    let caught = service_fn(|request: Request<Carry<Authenticated, ()>>| async move {
        Ok::<_, BoxError>(Response::new(request.into_body().proof().clone()))
    });
    let token = world.idp.mint("alice").audience(STS_AUDIENCE).token();
    let request =
        Request::get("/").header("authorization", format!("Bearer {token}")).body(()).expect("it is one");
    VerifyIdentity::new(caught, verifier).oneshot(request).await.expect("the token is good").into_body()
}
