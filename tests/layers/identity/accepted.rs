//! Whom the layer lets in.

use crate::{
    service::{Service, UNACCEPTABLE},
    world::{AUDIENCE, COOL_DOWN, JWKS, SECOND, World},
};
use countersign::identity::{Algorithm as Ours, Issuer};
use countersign_fixtures::{
    idp::{Idp, MintFault, Publication},
    keys::Algorithm,
};
use http::{HeaderValue, StatusCode};
use serde_json::json;

const OTHER_AUDIENCE: &str = "https://other.example";

#[tokio::test]
async fn every_asymmetric_algorithm() {
    let world = World::new().await;
    let algorithms = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    for algorithm in algorithms {
        world.idp.kid(algorithm);
    }
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    for algorithm in algorithms {
        let mint = world.idp.mint("alice").algorithm(algorithm);
        let token = mint.claim("scope", "read write").token();
        for visit in ["first", "second"] {
            let answer = service.ask(&token).await;
            assert_eq!(answer.status, StatusCode::OK, "{algorithm:?}: {}", answer.text());
            let caller =
                json!({"issuer": world.idp.issuer(), "subject": "alice", "scopes": ["read", "write"]});
            assert_eq!(answer.json(), caller, "{algorithm:?}, {visit} visit");
        }
    }
    assert_eq!(world.idp.hits(JWKS), 1);
}

#[tokio::test]
async fn only_the_algorithms_that_were_chosen() {
    let world = World::new().await;
    let issuer = world.issuer().with_algorithms([Ours::Es256]);
    let service = Service::guarded_by(world.verifier(issuer)).await;
    let token = |algorithm| world.idp.mint("alice").algorithm(algorithm).token();
    assert_eq!(service.ask(&token(Algorithm::ES256)).await.status, StatusCode::OK);
    UNACCEPTABLE.assert_is(&service.ask(&token(Algorithm::RS256)).await, "RS256");
}

#[tokio::test]
async fn every_way_to_write_what_is_meant() {
    let world = World::new().await;
    let bare = world.idp.add_key(Algorithm::ES384, Publication::WithoutAlgorithm);
    let issuer = world
        .issuer()
        .with_audience(OTHER_AUDIENCE)
        .with_token_type("at+jwt")
        .with_required_scopes(["read"])
        .with_required_claim("tenant", json!("acme"));
    let service = Service::guarded_by(world.verifier(issuer)).await;
    let good = || {
        let mint = world.alice().header("typ", "at+jwt");
        mint.claim("scope", "read").claim("tenant", "acme")
    };
    for (case, mint) in [
        ("one audience", good()),
        ("our other audience", good().audience(OTHER_AUDIENCE)),
        ("a list of audiences", good().audiences(&["https://a.example", AUDIENCE])),
        ("a type's long name", good().header("typ", "application/AT+JWT")),
        ("scopes as a list", good().without_claim("scope").claim("scp", json!(["read"]))),
        ("a list of tenants", good().claim("tenant", json!(["acme", "others"]))),
        ("no kid, and one key that fits", good().fault(MintFault::NoKid)),
        (
            "a key without `alg`",
            world
                .idp
                .mint("alice")
                .key(&bare)
                .header("typ", "at+jwt")
                .claim("scope", "read")
                .claim("tenant", "acme"),
        ),
        ("an end within the leeway", good().expires_in(-20)),
        ("a beginning within the leeway", good().claim("nbf", world.clock.unix() + 20)),
        ("no beginning", good().without_claim("nbf")),
        ("an end with a fraction", good().claim("exp", 4_102_444_800.5)),
    ] {
        let answer = service.ask(&mint.token()).await;
        assert_eq!(answer.status, StatusCode::OK, "{case}: {}", answer.text());
    }
    for scheme in ["bearer", "BEARER", "bEARER"] {
        let header = HeaderValue::from_str(&format!("{scheme}  {}", good().token())).unwrap();
        assert_eq!(service.get("/", &[header]).await.status, StatusCode::OK, "{scheme}");
    }
}

#[tokio::test]
async fn each_issuer_on_its_own_terms() {
    let world = World::new().await;
    let other = Idp::start(world.clock.clone()).await;
    let verifier = world
        .builder()
        .trust(world.issuer())
        .trust(Issuer::new(other.issuer(), OTHER_AUDIENCE))
        .build()
        .unwrap();
    let service = Service::guarded_by(verifier).await;
    let theirs = || other.mint("alice").algorithm(Algorithm::ES256).audience(OTHER_AUDIENCE);

    let [mine, others] = [service.ask(&world.alice().token()).await, service.ask(&theirs().token()).await];
    assert_eq!(mine.json()["issuer"], world.idp.issuer());
    assert_eq!(others.json()["issuer"], other.issuer());

    for (case, token) in [
        ("for the other's audience", world.alice().audience(OTHER_AUDIENCE)),
        ("the other for ours", theirs().audience(AUDIENCE)),
        ("by the other in our name", theirs().claim("iss", world.idp.issuer())),
        (
            "by the other in our name, with our kid",
            theirs()
                .claim("iss", world.idp.issuer())
                .audience(AUDIENCE)
                .header("kid", world.idp.kid(Algorithm::ES256)),
        ),
    ] {
        UNACCEPTABLE.assert_is(&service.ask(&token.token()).await, case);
    }
    let untrusted = Idp::start(world.clock.clone()).await;
    let token = untrusted.mint("alice").algorithm(Algorithm::ES256).token();
    UNACCEPTABLE.assert_is(&service.ask(&token).await, "an issuer nobody trusts");
    assert_eq!(untrusted.connections(), 0, "a token makes nobody fetch anything");
}

#[tokio::test]
async fn the_trouble_of_one_issuer_is_its_own() {
    let world = World::new().await;
    let other = Idp::start(world.clock.clone()).await;
    let issuers = [world.issuer(), Issuer::new(other.issuer(), AUDIENCE)];
    let builder = issuers.into_iter().fold(world.builder(), |builder, issuer| builder.trust(issuer));
    let service = Service::guarded_by(builder.build().unwrap()).await;
    let theirs = || other.mint("bob").algorithm(Algorithm::EdDSA).token();
    world.break_down(&countersign_fixtures::fault::Fault::Reset, &[JWKS]);
    assert_eq!(service.ask(&theirs()).await.status, StatusCode::OK);
    let answer = service.ask(&world.alice().token()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    world.clock.advance(COOL_DOWN + SECOND);
    assert_eq!(service.ask(&theirs()).await.status, StatusCode::OK);
    assert_eq!(other.hits(JWKS), 1);
}
