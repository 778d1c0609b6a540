//! How many instructions the hot paths take: the same on every machine and in every run, unlike the time.
//!
//! `cargo bench --bench instructions --features instructions`, with valgrind and `gungraun-runner` installed.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot run has nothing to report")]
#![allow(unused_qualifications, reason = "gungraun's macros write them")]

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    identity::{Issuer, LocalKeys, TrustIdentityLayer, TrustedIdentity, Verifier, VerifyIdentity},
    proof::{Attached, Authenticated, Carry, ForwardHeaders, NoCaller},
    role::Roles,
    sign::{Keys, SignRequest, SignRequestLayer, SignedPayload, Signer, SigningTarget},
    sts::{
        CredentialCache, CredentialProvider, CredentialRequest, IssuedCredentials, Refusal,
        ServiceCredentials, ServiceCredentialsLayer, Session, StaticKeys,
    },
    transmit::Transmit,
};
use countersign_fixtures::{
    clock::Clock,
    keys::{Algorithm, SigningKey},
};
use futures_util::FutureExt;
use gungraun::prelude::*;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::block_api::compress256;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    time::{Duration, SystemTime},
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneService, ServiceFn},
};

const URI: &str = "https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/warehouse/invocations";
const ACCESS_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const BODY: &[u8] = &[b'x'; 256];
const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://api.example.com";

main!(library_benchmark_groups = [signing, identity, credentials]);

library_benchmark_group!(
    name = signing,
    benchmarks = [bare_blocks, by_aws_sigv4, by_countersign, by_the_layer]
);
library_benchmark_group!(name = identity, benchmarks = [verify]);
library_benchmark_group!(name = credentials, benchmarks = [select_and_assume]);

// The ten blocks that nobody gets around. Valgrind knows no instruction that hashes: here they count for more than they
// cost.
#[library_benchmark]
#[bench::of_256_bytes([0; 8])]
fn bare_blocks(mut state: [u32; 8]) -> [u32; 8] {
    compress256(&mut state, black_box(&[[0; 64]; 10]));
    state
}

#[library_benchmark]
#[bench::of_256_bytes(setup = aws_sigv4)]
fn by_aws_sigv4((mut request, credentials, now): (Request<()>, Credentials, SystemTime)) -> Request<()> {
    let identity = credentials.into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("bedrock-agentcore")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .expect("it is complete")
        .into();
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        content_type.map(|value| ("content-type", value)).into_iter(),
        SignableBody::Bytes(BODY),
    );
    let signed = sign(signable.expect("it can be signed"), &parameters).expect("it can be signed");
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    request
}

#[library_benchmark]
#[bench::of_a_known_form(args = (3), setup = signer)]
#[bench::of_a_new_form(args = (0), setup = signer)]
fn by_countersign((mut request, signer, keys, now): Signed) -> Signed {
    signer.sign(&mut request, SignedPayload::Bytes(black_box(BODY)), &keys, now).expect("it can be signed");
    // Dropping them overwrites what they keep, and is no part of a signature.
    (request, signer, keys, now)
}

#[library_benchmark]
#[bench::of_a_known_form(setup = layer)]
fn by_the_layer((mut stack, request): (Signing, Outbound)) -> (Response<()>, Signing) {
    let answer = stack.call(request).now_or_never().expect("nothing waits").expect("it is sent");
    (answer, stack)
}

#[library_benchmark]
#[bench::a_token_for_the_first_time(args = (0), setup = verifier)]
#[bench::a_token_that_is_remembered(args = (1), setup = verifier)]
fn verify((mut service, request): (Verifying, Request<Full<Bytes>>)) -> (Response<()>, Verifying) {
    let answer = service.call(request).now_or_never().expect("nothing waits").expect("it answers");
    (answer, service)
}

#[library_benchmark]
#[bench::at_hand(setup = caller)]
fn select_and_assume((mut stack, request): (Outgoing, Call)) -> (Response<()>, Outgoing) {
    let answer = stack.call(request).now_or_never().expect("they are at hand").expect("it answers");
    (answer, stack)
}

fn request() -> Request<()> {
    let mut request = Request::post(URI).body(()).expect("the address is good");
    let headers = request.headers_mut();
    headers.reserve(12);
    for (name, value) in [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("user-agent", "countersign/0.1.0"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-session-id", "0b5c7f0e-2f0f-4a52-9f3d-1d3f6c2a7e11"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("idempotency-key", "8d3c2c70-3c1c-4c1d-a3cf-6d3a34f0b9be"),
        ("cache-control", "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    request
}

fn token() -> String {
    "IQoJb3JpZ2luX2VjE/+x".chars().cycle().take(1024).collect()
}

fn target() -> SigningTarget {
    SigningTarget::new("bedrock-agentcore", "eu-west-1").expect("both are names")
}

fn aws_sigv4() -> (Request<()>, Credentials, SystemTime) {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET, Some(token()), None, "bench");
    (request(), credentials, Clock::default().now())
}

type Signed = (Request<()>, Signer, Keys, SystemTime);

/// A signer that has seen the request `before` so many times.
fn signer(before: usize) -> Signed {
    let (signer, now) = (Signer::new(target()), Clock::default().now());
    let keys = Keys::of_session(ACCESS_KEY_ID, SECRET.into(), token().into());
    // The day's key and the second's part are there in either case.
    let mut other = Request::get("https://bedrock-agentcore.eu-west-1.amazonaws.com/ping")
        .body(())
        .expect("the address is good");
    signer.sign(&mut other, SignedPayload::Bytes(b""), &keys, now).expect("it can be signed");
    for _ in 0..before {
        signer.sign(&mut request(), SignedPayload::Bytes(b""), &keys, now).expect("it can be signed");
    }
    (request(), signer, keys, now)
}

type Outbound = Request<Carry<NoCaller, Full<Bytes>>>;
type Signing = ServiceCredentials<SignRequest<Transmit<Nobody>>>;
type Nobody = ServiceFn<fn(Request<countersign::outgoing::Payload<Full<Bytes>>>) -> Answered>;
type Answered = Ready<Result<Response<()>, Infallible>>;

#[derive(Debug)]
struct Frozen(SystemTime);

impl countersign::clock::Clock for Frozen {
    fn now(&self) -> SystemTime {
        self.0
    }
}

fn nobody() -> Transmit<Nobody> {
    Transmit::dangerous_over(service_fn(|_| ready(Ok(Response::new(())))))
}

fn layer() -> (Signing, Outbound) {
    let keys = StaticKeys::new(ACCESS_KEY_ID, SECRET.into()).with_session_token(token().into());
    let clock = std::sync::Arc::new(Frozen(Clock::default().now()));
    let sign = SignRequestLayer::new(target()).with_clock(clock).layer(nobody());
    let mut stack = ServiceCredentialsLayer::new(keys).layer(sign);
    let outbound = || {
        let mut forward = ForwardHeaders::default();
        for name in request().headers().keys() {
            forward = forward.and(name.clone());
        }
        let request = request().map(|()| Full::from(BODY));
        NoCaller::attach(request, &forward)
    };
    for _ in 0..3 {
        stack.call(outbound()).now_or_never().expect("nothing waits").expect("it is sent");
    }
    (stack, outbound())
}

type Verifying = BoxCloneService<Request<Full<Bytes>>, Response<()>, BoxError>;

/// A layer that has seen the token `before` so many times.
fn verifier(before: usize) -> (Verifying, Request<Full<Bytes>>) {
    let key = SigningKey::generate(Algorithm::ES256, "2026-11");
    let keys = LocalKeys::parse(&json!({"keys": [key.public_jwk()]}).to_string()).expect("the keys are good");
    let verifier =
        Verifier::builder().trust(Issuer::new(ISSUER, AUDIENCE).with_keys(keys)).build().expect("it is good");
    let answer = service_fn(|request: Request<Carry<Authenticated, Full<Bytes>>>| {
        drop(request);
        ready(Ok::<_, BoxError>(Response::new(())))
    });
    let now = Clock::default().unix();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "jti": "1", "client_id": "me", "iat": now, "exp": now + 3600,
        "groups": ["admins", "engineering", "everybody"],
    });
    let header = json!({"alg": "ES256", "kid": key.kid(), "typ": "JWT"});
    let token = key.jwt(&header, &claims);
    let request = move || {
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("it is text");
        let mut request = Request::new(Full::default());
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request
    };
    let mut service = BoxCloneService::new(VerifyIdentity::new(answer, verifier));
    for _ in 0..before {
        service.call(request()).now_or_never().expect("nothing waits").expect("it answers");
    }
    (service, request())
}

type Call = Request<Carry<Attached, Full<Bytes>>>;
type Outgoing = BoxCloneService<Call, Response<()>, BoxError>;

/// Credentials at once.
#[derive(Clone, Debug)]
struct Instantly;

impl CredentialProvider for Instantly {
    async fn provide(&self, _: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
        let expires = Clock::default().now() + Duration::from_secs(3600);
        Ok(IssuedCredentials::new(ACCESS_KEY_ID.to_owned(), SECRET.into(), token().into(), expires))
    }
}

/// A stack that knows its caller, up to where the signature would come.
fn caller() -> (Outgoing, Call) {
    let Value::Object(claims) = json!({"sub": "alice", "groups": ["admins", "engineering"]}) else {
        unreachable!("it is an object")
    };
    let identity = TrustedIdentity::new(ISSUER, "alice")
        .with_claims(claims)
        .with_token("eyJhbGciOiJSUzI1NiJ9.e30.c2ln".into());
    let roles = Roles::builder()
        .with_fallback("arn:aws:iam::123456789012:role/McpUser".parse().expect("it is a role's"))
        .build()
        .expect("the rules are good");
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let (stack, caller) = runtime.block_on(async {
        let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
            Ok::<_, BoxError>(request.into_body().into_parts().0)
        });
        let trusted = TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone()));
        let caller: Authenticated = ServiceBuilder::new()
            .layer(trusted)
            .service(proof)
            .oneshot(Request::new(()))
            .await
            .expect("it is");
        let answer = service_fn(|request: Assumed| {
            drop(request);
            ready(Ok::<_, BoxError>(Response::new(())))
        });
        let cache = CredentialCache::new(Instantly);
        let stack =
            ServiceBuilder::new().select_role(roles).assume_role(&cache, Session::default()).service(answer);
        let stack = BoxCloneService::new(stack);
        for _ in 0..3 {
            stack.clone().oneshot(attached(&caller)).await.expect("they are given");
        }
        (stack, caller)
    });
    let request = attached(&caller);
    (stack, request)
}

type Assumed =
    Request<Carry<countersign::proof::WithCredentials<countersign::proof::WithRole<Attached>>, Full<Bytes>>>;

fn attached(caller: &Authenticated) -> Call {
    let request = Request::post(URI).body(Full::from(BODY)).expect("the address is good");
    caller.attach(request).expect("nobody's time is over")
}
