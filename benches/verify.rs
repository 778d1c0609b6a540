//! Verifying a bearer token: the first time, and again.
//!
//! `cargo bench --bench verify`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

use bytes::Bytes;
use countersign::{
    BoxError,
    identity::{Issuer, LocalKeys, Verifier, VerifyIdentity},
    proof::{Authenticated, Carry},
};
use countersign_benches::Contest;
use countersign_fixtures::{
    clock::Clock,
    keys::{Algorithm, SigningKey},
};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
use openidconnect::{
    ClientId, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, str::FromStr};
use tower::{Service, service_fn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn main() {
    let rs256 = Case::new(Algorithm::RS256);
    let cases = [&rs256, &Case::new(Algorithm::ES256), &Case::new(Algorithm::EdDSA)];
    println!("a token has {} bytes (RS256)", rs256.token.len());
    for case in cases {
        case.first_time();
    }
    repeated(&rs256);
    bytes_per_token(&rs256.key);
}

/// One algorithm, with a token for everybody.
struct Case {
    key: SigningKey,
    token: String,
    jwks: String,
}

impl Case {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm, "2026-11");
        let token = mint(&key, "alice");
        let jwks = json!({"keys": [key.public_jwk()]}).to_string();
        Self { key, token, jwks }
    }

    fn verifier(&self) -> countersign::identity::VerifierBuilder {
        let keys = LocalKeys::parse(&self.jwks).expect("the key set is good");
        Verifier::builder().trust(Issuer::new(ISSUER, AUDIENCE).with_keys(keys))
    }

    fn first_time(&self) {
        let mut layer = VerifyIdentity::new(service_fn(answer), without_memory(self));
        let jwk: Jwk = serde_json::from_value(self.key.public_jwk()).expect("the JWK is good");
        let key = DecodingKey::from_jwk(&jwk).expect("the JWK is good");
        let mut validation = Validation::new(self.key.algorithm().name().parse().expect("it is known there"));
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        let keys: CoreJsonWebKeySet = serde_json::from_str(&self.jwks).expect("the key set is good");
        let openid = CoreIdTokenVerifier::new_public_client(
            ClientId::new(AUDIENCE.to_owned()),
            IssuerUrl::new(ISSUER.to_owned()).expect("the issuer is a URL"),
            keys,
        )
        .set_allowed_algs([match self.key.algorithm() {
            Algorithm::ES256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            Algorithm::EdDSA => CoreJwsSigningAlgorithm::EdDsa,
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::ES384 => {
                CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256
            }
        }]);

        Contest::new(format!("{}: a token never seen before", self.key.algorithm().name()))
            .entry("jsonwebtoken", || {
                jsonwebtoken::decode::<Map<String, Value>>(&self.token, &key, &validation)
                    .expect("it verifies")
            })
            .entry("countersign, through the layer", || call(&mut layer, &self.token))
            .entry("openidconnect", || {
                let token = CoreIdToken::from_str(&self.token).expect("it parses");
                token.into_claims(&openid, |_: Option<&Nonce>| Ok(())).expect("it verifies")
            })
            .run();
    }
}

fn repeated(case: &Case) {
    let mut without = VerifyIdentity::new(service_fn(answer), without_memory(case));
    let mut with = VerifyIdentity::new(service_fn(answer), case.verifier().build().expect("it is complete"));
    let mut nobody = service_fn(|request: Request<Full<Bytes>>| async { answer_plain(request) });
    let medians = Contest::new("RS256, through the layer, request and answer included")
        .entry("verified each time", || call(&mut without, &case.token))
        .entry("remembered", || call(&mut with, &case.token))
        .entry("no layer at all", || {
            nobody.call(request(&case.token)).now_or_never().expect("nothing waits").expect("it answers")
        })
        .run();
    if let [each_time, remembered, ..] = medians[..] {
        println!(
            "  a remembered token costs 1/{:.1} of a verified one",
            each_time.as_secs_f64() / remembered.as_secs_f64()
        );
    }
}

/// What remembering costs in memory, from the allocator's own books, and that it ends where it should.
fn bytes_per_token(key: &SigningKey) {
    const TOKENS: usize = 2_000;
    let tokens: Vec<String> = (0..TOKENS).map(|n| mint(key, &format!("person-{n}"))).collect();
    let jwks = json!({"keys": [key.public_jwk()]}).to_string();
    let held = |bytes: u64| {
        let keys = LocalKeys::parse(&jwks).expect("the key set is good");
        let verifier = Verifier::builder()
            .trust(Issuer::new(ISSUER, AUDIENCE).with_keys(keys))
            .with_memory(bytes)
            .build()
            .expect("it is complete");
        let mut layer = VerifyIdentity::new(service_fn(answer), verifier);
        let region = Region::new(ALLOCATOR);
        for token in &tokens {
            call(&mut layer, token);
        }
        // Evictions are done by whoever comes next.
        for token in tokens.iter().rev().take(500) {
            call(&mut layer, token);
        }
        let change = region.change();
        (change.bytes_allocated - change.bytes_deallocated, layer)
    };
    let (roomy, _layer) = held(64 * 1024 * 1024);
    println!("\n{TOKENS} remembered tokens of {} bytes take {} bytes each", tokens[0].len(), roomy / TOKENS);
    let (tight, _layer) = held(1024 * 1024);
    println!("with a bound of 1 MiB they take {} KiB in all", tight / 1024);
}

fn without_memory(case: &Case) -> Verifier {
    case.verifier().without_memory().build().expect("it is complete")
}

fn mint(key: &SigningKey, subject: &str) -> String {
    let now = Clock::default().unix();
    let header = json!({"alg": key.algorithm().name(), "kid": key.kid(), "typ": "JWT"});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "nbf": now, "exp": now + 36_000,
        "jti": "0b5c7f0e-2f0f-4a52-9f3d-1d3f6c2a7e11", "scope": "openid profile mcp:read mcp:write",
        "email": "alice@example.com", "email_verified": true, "name": "Alice Example",
        "groups": ["admins", "engineering", "everybody", "oncall", "warehouse-readers"],
        "client_id": "8d3c2c70-3c1c-4c1d-a3cf-6d3a34f0b9be", "tid": "5f0c1a34-76d0-4b6e-8f57-7d3c0a0e2b19",
    });
    key.jwt(&header, &claims)
}

fn request(token: &str) -> Request<Full<Bytes>> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a token is plain text");
    let mut request = Request::new(Full::default());
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

async fn answer(
    request: Request<Carry<Authenticated, Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::new(request.into_body().into_parts().1))
}

fn answer_plain(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::new(request.into_body()))
}

fn call<S>(layer: &mut S, token: &str) -> S::Response
where
    S: Service<Request<Full<Bytes>>, Error = BoxError>,
{
    layer.call(request(token)).now_or_never().expect("nothing waits").expect("it is accepted")
}
