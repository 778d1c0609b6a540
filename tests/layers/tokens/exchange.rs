//! RFC 8693, against the provider double and against a token service that answers anything.

use super::{
    backend::Backend,
    desk::Desk,
    gateway::{Gateway, boxed, wire},
    people::{CLIENT, claims, endpoint, introduce_ourselves},
};
use crate::{
    service::{Service, bearer},
    world::World,
};
use countersign::{
    ServiceBuilderExt,
    exchange::{Actor, CallersToken, Exchange, ExchangeBuilder, RetryUnauthorizedLayer, TokenKind},
    token_endpoint::{ClientAuthentication, ClientKey, TokenEndpoint},
};
use countersign_fixtures::{
    fault::Fault,
    idp::{AuthMethod, Client, Idp},
    keys::Algorithm,
};
use countersign_tests::client::Answer;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceBuilder;

const REPORTS: &str = "https://reports.example";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const SECOND: Duration = Duration::from_secs(1);

/// Our issuer, a backend, and a gateway that has tokens exchanged for it.
struct Scene {
    world: World,
    backend: Backend,
    service: Service,
}

impl Scene {
    /// Our issuer exchanges its own tokens.
    async fn new() -> Self {
        Self::asking(|idp| {
            introduce_ourselves(idp);
            Exchange::builder(endpoint(idp), CallersToken::new()).with_audience(REPORTS)
        })
        .await
    }

    async fn asking(exchange: impl FnOnce(&Idp) -> ExchangeBuilder<CallersToken>) -> Self {
        let (world, backend) = (World::new().await, Backend::start().await);
        let exchange = exchange(&world.idp).with_clock(world.our_clock()).build().unwrap();
        let stack = ServiceBuilder::new()
            .layer(RetryUnauthorizedLayer::new())
            .exchange_token(exchange)
            .attach_exchanged_token()
            .service(wire());
        let service = Gateway::new().route("/", boxed(stack), backend.url()).start(&world).await;
        Self { world, backend, service }
    }

    fn alice(&self) -> String {
        self.world.alice().claim("scope", "read").token()
    }

    async fn call(&self, token: &str) -> Answer {
        let [authorization] = bearer(token);
        let request = Request::post(self.service.url()).header("authorization", authorization);
        self.service.send(request.body(Full::from("{}")).unwrap()).await
    }

    /// The claims of the token that arrived last.
    fn arrived(&self) -> Value {
        claims(self.backend.tokens().last().unwrap())
    }
}

#[tokio::test]
async fn a_backend_gets_a_token_of_its_own_and_one_exchange_serves_many() {
    let scene = Scene::new().await;
    let alice = scene.alice();
    let answers = futures_util::future::join_all((0..50).map(|_| scene.call(&alice))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{}", answers[0].text());
    assert_eq!(scene.world.idp.hits("/token"), 1);
    let arrived = scene.arrived();
    assert_eq!((&arrived["sub"], &arrived["aud"]), (&json!("alice"), &json!(REPORTS)));
    assert_eq!((&arrived["client_id"], &arrived["scope"]), (&json!(CLIENT), &json!("read")));

    let bob = scene.world.idp.mint("bob").token();
    assert_eq!(scene.call(&bob).await.status, StatusCode::OK);
    assert_eq!(scene.arrived()["sub"], "bob");
    for own in [&alice, &bob] {
        assert!(!scene.backend.has_seen(own) && !scene.backend.has_seen(own.rsplit('.').next().unwrap()));
    }
}

#[tokio::test]
async fn everything_that_is_asked_for_is_asked_for() {
    let desk = Desk::start().await;
    desk.say(200, json!({"access_token": "t", "token_type": "bearer", "issued_token_type": JWT}));
    let scene = Scene::asking(|_| {
        Exchange::builder(desk.endpoint(), CallersToken::new().called(TokenKind::Jwt))
            .with_actor(Actor::fixed("of-the-gateway".into(), TokenKind::AccessToken))
            .with_audience(REPORTS)
            .with_audience("archive")
            .with_resource("https://reports.example/v1")
            .with_scopes(["read", "write"])
            .with_requested_kind(TokenKind::Jwt)
    })
    .await;
    let alice = scene.alice();
    assert_eq!(scene.call(&alice).await.status, StatusCode::OK);
    assert_eq!(scene.backend.tokens(), ["t"]);
    let mut asked = desk.asked().pop().unwrap();
    asked.sort();
    let expected = [
        ("actor_token", "of-the-gateway"),
        ("actor_token_type", ACCESS_TOKEN),
        ("audience", "archive"),
        ("audience", REPORTS),
        ("client_id", "gateway"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", JWT),
        ("resource", "https://reports.example/v1"),
        ("scope", "read write"),
        ("subject_token", &alice),
        ("subject_token_type", JWT),
    ];
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn who_acts_is_said() {
    let scene = Scene::asking(|idp| {
        introduce_ourselves(idp);
        let gateway = idp.mint("the-gateway").token();
        Exchange::builder(endpoint(idp), CallersToken::new())
            .with_audience(REPORTS)
            .with_actor(Actor::fixed(gateway.into(), TokenKind::AccessToken))
    })
    .await;
    assert_eq!(scene.call(&scene.alice()).await.status, StatusCode::OK);
    let arrived = scene.arrived();
    assert_eq!((&arrived["sub"], &arrived["act"]), (&json!("alice"), &json!({"sub": "the-gateway"})));
}

#[tokio::test]
async fn each_way_to_say_who_we_are_is_understood() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256] {
        let (pem, jwk) = key(algorithm);
        let scene = Scene::asking(|idp| {
            idp.register(Client::with_keys("signer", json!({"keys": [jwk]})));
            let key = ClientKey::from_pem(pem, "mine").unwrap();
            let client = ClientAuthentication::private_key_jwt("signer", key);
            // Either name of the server is right; the address of the endpoint is what we say by ourselves.
            let client = if algorithm == Algorithm::ES256 {
                client.with_assertion_audience(idp.issuer())
            } else {
                client
            };
            Exchange::builder(TokenEndpoint::new(idp.url("/token"), client), CallersToken::new())
        })
        .await;
        let answer = scene.call(&scene.alice()).await;
        assert_eq!(answer.status, StatusCode::OK, "{algorithm:?}: {}", answer.text());
        // Each assertion counts once.
        let answer = scene.call(&scene.world.idp.mint("bob").token()).await;
        assert_eq!(answer.status, StatusCode::OK, "{algorithm:?}: {}", answer.text());
    }
    for (method, client) in [
        (AuthMethod::ClientSecretBasic, ClientAuthentication::basic("a:b c", "s p+t%".into())),
        (AuthMethod::ClientSecretPost, ClientAuthentication::post("a:b c", "s p+t%".into())),
    ] {
        let scene = Scene::asking(|idp| {
            idp.register(Client::confidential("a:b c", "s p+t%", method));
            Exchange::builder(TokenEndpoint::new(idp.url("/token"), client), CallersToken::new())
        })
        .await;
        let answer = scene.call(&scene.alice()).await;
        assert_eq!(answer.status, StatusCode::OK, "{method:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_and_then_the_caller_is() {
    let scene = Scene::new().await;
    let faults = scene.world.idp.faults();
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Status(429), Fault::Reset] {
        faults.add("/token", fault.clone(), Some(2));
        assert_eq!(scene.call(&scene.alice()).await.status, StatusCode::OK, "{fault:?}");

        let (hits, arrived) = (scene.world.idp.hits("/token"), scene.backend.bytes().len());
        faults.add("/token", fault.clone(), None);
        let answer = scene.call(&scene.alice()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(scene.world.idp.hits("/token"), hits + 3, "{fault:?}");
        assert_eq!(scene.backend.bytes().len(), arrived);
        faults.clear();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_fault_of_the_callers() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint();
    drop(desk);
    let scene = Scene::asking(|_| Exchange::builder(endpoint, CallersToken::new())).await;
    let answer = scene.call(&scene.alice()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("www-authenticate"), "");
    assert!(scene.backend.bytes().is_empty());
}

#[tokio::test]
async fn every_no_has_its_meaning_and_none_is_asked_for_twice() {
    let desk = Desk::start().await;
    let scene = Scene::asking(|_| Exchange::builder(desk.endpoint(), CallersToken::new())).await;
    for (code, status) in [
        ("invalid_request", 403),
        ("invalid_target", 403),
        ("invalid_scope", 403),
        ("invalid_grant", 403),
        ("consent_required", 403),
        ("invalid_client", 500),
        ("unauthorized_client", 500),
        ("unsupported_grant_type", 500),
    ] {
        desk.say(400, json!({"error": code, "error_description": "the password is sesame"}));
        let (asked, alice) = (desk.asked().len(), scene.alice());
        for _ in 0..3 {
            let answer = scene.call(&alice).await;
            assert_eq!(answer.status.as_u16(), status, "{code}");
            assert!(!answer.text().contains("sesame") && answer.json()["correlation_id"].is_string());
        }
        assert_eq!(desk.asked().len(), asked + 1, "{code}");
    }
    assert!(scene.backend.bytes().is_empty());
}

#[tokio::test]
async fn a_refusal_is_its_owners_and_passes() {
    let scene = Scene::asking(|idp| {
        introduce_ourselves(idp);
        Exchange::builder(endpoint(idp), CallersToken::new()).with_scopes(["admin"])
    })
    .await;
    let alice = scene.alice();
    let bob = scene.world.idp.mint("bob").claim("scope", "read admin").token();
    for hits in [1, 1, 1] {
        assert_eq!(scene.call(&alice).await.status, StatusCode::FORBIDDEN);
        assert_eq!(scene.world.idp.hits("/token"), hits);
    }
    assert_eq!(scene.call(&bob).await.status, StatusCode::OK);
    scene.world.clock.advance(5 * SECOND);
    assert_eq!(scene.call(&alice).await.status, StatusCode::FORBIDDEN);
    assert_eq!(scene.world.idp.hits("/token"), 3);
}

#[tokio::test]
async fn another_answer_than_the_one_that_was_asked_for_is_refused() {
    let desk = Desk::start().await;
    let scene = Scene::asking(|_| Exchange::builder(desk.endpoint(), CallersToken::new())).await;
    let good = json!({"access_token": "t", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN});
    let mut answers = vec![json!({}), json!([]), json!("t"), json!({"keys": []})];
    for (name, value) in [
        ("issued_token_type", json!(JWT)),
        ("issued_token_type", json!("urn:ietf:params:oauth:token-type:refresh_token")),
        ("issued_token_type", json!("urn:ietf:params:oauth:token-type:id-jag")),
        ("issued_token_type", json!("access_token")),
        ("issued_token_type", json!(null)),
        ("token_type", json!("N_A")),
        ("token_type", json!("DPoP")),
        ("token_type", json!(null)),
        ("access_token", json!("")),
        ("access_token", json!(null)),
        ("access_token", json!(1)),
        ("access_token", json!("<subject>")),
        ("expires_in", json!(-1)),
        ("expires_in", json!("soon")),
    ] {
        let mut answer = good.clone();
        answer[name] = value;
        answers.push(answer);
    }
    for answer in answers {
        desk.say(200, answer.clone());
        let got = scene.call(&scene.alice()).await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{answer}: {}", got.text());
    }
    for (token, status) in [("a b", 500), ("a\r\nx-admin: 1", 500), ("t", 200)] {
        desk.say(
            200,
            json!({"access_token": token, "token_type": "BEARER", "issued_token_type": ACCESS_TOKEN}),
        );
        assert_eq!(scene.call(&scene.alice()).await.status.as_u16(), status, "{token:?}");
    }
    desk.say(302, json!({}));
    assert_eq!(scene.call(&scene.alice()).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(scene.backend.tokens(), ["t"]);
}

#[tokio::test]
async fn a_token_lives_no_longer_than_what_it_was_made_of() {
    let desk = Desk::start().await;
    let scene = Scene::asking(|_| Exchange::builder(desk.endpoint(), CallersToken::new())).await;
    let good = |more: Value| {
        let mut answer =
            json!({"access_token": "t", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer
    };
    for (says, callers, used_for) in [
        // As long as it lasts, less a margin.
        (json!({"expires_in": 600}), 3600, 569),
        (json!({"expires_in": 3600}), 100, 89),
        // Nobody knows for how long, so a minute, less a margin.
        (json!({}), 3600, 53),
    ] {
        desk.say(200, good(says.clone()));
        let alice = scene.world.alice().expires_in(callers).token();
        let before = desk.asked().len();
        assert_eq!(scene.call(&alice).await.status, StatusCode::OK);
        // Renewed behind its back where it ages, and not waited for.
        scene.world.clock.advance(used_for * SECOND * 3 / 4);
        assert_eq!(scene.call(&alice).await.status, StatusCode::OK);
        assert_eq!(desk.asked().len(), before + 1, "{says}");
        scene.world.clock.advance((used_for + 2) * SECOND - used_for * SECOND * 3 / 4);
        assert_eq!(scene.call(&alice).await.status, StatusCode::OK);
        assert_eq!(desk.asked().len(), before + 2, "{says}");
    }
}

#[tokio::test]
async fn a_backend_that_refuses_a_token_gets_a_new_one_once() {
    let scene = Scene::new().await;
    let alice = scene.alice();
    let idp = &scene.world.idp;
    // A token that was just made is not the reason.
    scene.backend.answer([StatusCode::UNAUTHORIZED]);
    assert_eq!(scene.call(&alice).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!((idp.hits("/token"), scene.backend.seen().len()), (1, 1));

    scene.backend.answer([StatusCode::UNAUTHORIZED]);
    assert_eq!(scene.call(&alice).await.status, StatusCode::OK);
    assert_eq!((idp.hits("/token"), scene.backend.seen().len()), (2, 3));
    let tokens = scene.backend.tokens();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
    assert_eq!(scene.backend.seen()[2].body, "{}");

    scene.backend.answer([StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED]);
    assert_eq!(scene.call(&alice).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!((idp.hits("/token"), scene.backend.seen().len()), (3, 5));

    scene.backend.answer([StatusCode::FORBIDDEN]);
    assert_eq!(scene.call(&alice).await.status, StatusCode::FORBIDDEN);
    assert_eq!((idp.hits("/token"), scene.backend.seen().len()), (3, 6));
}

/// A key in PEM, and its public half.
fn key(algorithm: Algorithm) -> (String, Value) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let kind = match algorithm {
        Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Algorithm::ES384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        Algorithm::EdDSA => &rcgen::PKCS_ED25519,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 => &rcgen::PKCS_RSA_SHA256,
    };
    let pair = rcgen::KeyPair::generate_for(kind).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let raw = rcgen::PublicKeyData::der_bytes(&pair);
    let jwk = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => {
            let (x, y) = raw[1..].split_at(raw.len() / 2);
            let curve = if algorithm == Algorithm::ES256 { "P-256" } else { "P-384" };
            json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        }
        Algorithm::EdDSA => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}),
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 => {
            // SEQUENCE { INTEGER n, INTEGER e }, with the lengths that 2048 bits have.
            let (n, e) = (&raw[9..9 + 256], &raw[raw.len() - 3..]);
            json!({"kty": "RSA", "n": encode(n), "e": encode(e)})
        }
    };
    let mut jwk = jwk;
    jwk["kid"] = "mine".into();
    jwk["alg"] = algorithm.name().into();
    (pair.serialize_pem(), jwk)
}
