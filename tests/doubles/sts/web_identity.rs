//! `AssumeRoleWithWebIdentity`: whose tokens are believed, and what comes back.

use super::{ACCOUNT, Issuer, ROLE, SOURCE_IDENTITY, Scene, TAGS, outcome, packed_size};
use countersign_fixtures::{
    keys::{self, Algorithm, SigningKey},
    sts::Provider,
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn a_genuine_token_becomes_credentials() {
    let scene = Scene::trusting().await;
    let before = scene.clock.unix();
    let answer = scene.exchange_claims(&scene.claims()).await.unwrap();

    let issued = answer.credentials().unwrap();
    let known = scene.sts.book().find(issued.access_key_id()).unwrap();
    assert!(issued.access_key_id().starts_with("ASIA") && issued.access_key_id().len() == 20);
    assert_eq!(issued.secret_access_key(), known.secret_access_key);
    assert_eq!(Some(issued.session_token()), known.session_token.as_deref());
    let told = SystemTime::try_from(*issued.expiration()).unwrap();
    assert_eq!(Some(told), known.expires);
    assert!((before + 3600..=before + 3605).contains(&issued.expiration().secs()));

    let session = "arn:aws:sts::123456789012:assumed-role/McpAdmin/alice@example.com";
    let user = answer.assumed_role_user().unwrap();
    assert_eq!(user.arn(), session);
    assert!(user.assumed_role_id().starts_with("AROA"));
    assert!(user.assumed_role_id().ends_with(":alice@example.com"));
    assert_eq!(answer.subject_from_web_identity_token(), Some("alice"));
    assert_eq!(answer.audience(), Some("sts.amazonaws.com"));
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", scene.issuer.name());
    assert_eq!(answer.provider(), Some(provider.as_str()));
    assert_eq!(packed_size(&answer), None);
    assert_eq!(answer.session_token_size(), Some(408));
    assert_eq!(answer.session_token_utilization(), Some(10));
    assert_eq!(answer.source_identity(), None);

    assert_eq!(known.principal.arn, session);
    assert_eq!(known.principal.role.as_deref(), Some(ROLE));
    let log = scene.sts.log();
    assert_eq!(log[0].outcome, "ok");
    assert_eq!(log[0].issued.as_deref(), Some(issued.access_key_id()));
    assert!(log[0].parameters["WebIdentityToken"].ends_with(" characters)"));
    assert_eq!(scene.sts.calls("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test]
async fn claims_decide() {
    let scene = Scene::trusting().await;
    let now = scene.clock.unix();
    let set = |name: &str, value: Value| (name.to_owned(), value);
    for (claims, expected) in [
        (vec![], "ok"),
        (vec![set("aud", json!(["other", "mcp-client"]))], "ok"),
        (vec![set("aud", json!("other"))], "InvalidIdentityToken"),
        (vec![set("aud", json!([]))], "InvalidIdentityToken"),
        // Where there is an azp, it alone is the audience.
        (vec![set("aud", json!("other")), set("azp", json!("mcp-client"))], "ok"),
        (vec![set("azp", json!("other"))], "InvalidIdentityToken"),
        (vec![set("aud", Value::Null)], "InvalidIdentityToken"),
        (vec![set("sub", Value::Null)], "InvalidIdentityToken"),
        (vec![set("exp", Value::Null)], "InvalidIdentityToken"),
        (vec![set("iat", Value::Null)], "InvalidIdentityToken"),
        (vec![set("exp", json!(1e10))], "InvalidIdentityToken"),
        (vec![set("iss", json!("http://127.0.0.1:1"))], "InvalidIdentityToken"),
        // AWS grants five minutes.
        (vec![set("exp", json!(now - 290))], "ok"),
        (vec![set("exp", json!(now - 301))], "ExpiredTokenException"),
        (vec![set("nbf", json!(now + 900))], "InvalidIdentityToken"),
        (vec![set("iat", json!(now + 900))], "InvalidIdentityToken"),
        (vec![set(SOURCE_IDENTITY, json!("no spaces"))], "InvalidIdentityToken"),
        (vec![set(TAGS, json!({"principal_tags": {"a": "b"}}))], "InvalidIdentityToken"),
        (vec![set(TAGS, json!({"principal_tags": {"a": ["b", "c"]}}))], "InvalidIdentityToken"),
    ] {
        let mut token = scene.claims();
        for (name, value) in &claims {
            token[name] = value.clone();
        }
        token.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let result = scene.exchange_claims(&token).await;
        assert_eq!(outcome(&result).0, expected, "{claims:?}");
    }
}

#[tokio::test]
async fn expiry_goes_by_the_clock() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    assert_eq!(outcome(&scene.exchange(&token).send().await).0, "ok");
    scene.clock.advance(Duration::from_secs(601));
    let refused = scene.exchange(&token).send().await;
    assert_eq!(outcome(&refused), ("ExpiredTokenException".to_owned(), 400));
    let typed = refused.unwrap_err().into_service_error();
    assert!(typed.is_expired_token_exception());

    let sts = scene.sts.with_token_leeway(Duration::ZERO);
    let scene = Scene { sts, ..scene };
    let mut claims = scene.claims();
    claims["exp"] = json!(scene.clock.unix() - 1);
    let refused = scene.exchange_claims(&claims).await;
    assert_eq!(outcome(&refused).0, "ExpiredTokenException");
}

#[tokio::test]
async fn signatures_are_verified() {
    let scene = Scene::trusting().await;
    let claims = scene.claims();
    let token = scene.issuer.token(&claims);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let forged = SigningKey::generate(Algorithm::ES256, "first");
    let eddsa = SigningKey::generate(Algorithm::EdDSA, "ed");
    scene.issuer.publish(&eddsa);
    let unknown = SigningKey::generate(Algorithm::ES256, "unknown");
    let none = keys::jws(&json!({"alg": "none", "kid": "first"}), &claims, |_| Vec::new());
    let crit = scene.issuer.key.jwt(&json!({"alg": "ES256", "kid": "first", "crit": ["exp"]}), &claims);
    for (what, token) in [
        ("another key's signature", scene.issuer.token_with(&forged, &claims)),
        ("no signature", format!("{message}.")),
        ("another message", format!("{}.{signature}", message.replace("ey", "fy"))),
        ("EdDSA", scene.issuer.token_with(&eddsa, &claims)),
        ("a key nobody published", scene.issuer.token_with(&unknown, &claims)),
        ("alg none", none),
        ("crit", crit),
        ("an opaque token", "ya29.a0AfH6SM".to_owned()),
    ] {
        let result = scene.exchange(token).send().await;
        let expected = ("InvalidIdentityToken".to_owned(), 400);
        assert_eq!(outcome(&result), expected, "{what}");
    }
    let long = scene.exchange("x".repeat(20_001)).send().await;
    assert_eq!(outcome(&long).0, "ValidationError");
    assert!(scene.sts.book().is_empty());
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_an_unknown_name() {
    let scene = Scene::trusting().await;
    for _ in 0..3 {
        scene.exchange_claims(&scene.claims()).await.unwrap();
    }
    assert_eq!(scene.issuer.fetches(), 1);
    let rotated = SigningKey::generate(Algorithm::RS256, "second");
    scene.issuer.publish(&rotated);
    let token = scene.issuer.token_with(&rotated, &scene.claims());
    scene.exchange(token).send().await.unwrap();
    assert_eq!(scene.issuer.fetches(), 2);

    let old = scene.issuer.token(&scene.claims());
    let (call, again) = (scene.exchange(&old), scene.exchange(&old));
    drop(scene.issuer);
    call.send().await.unwrap();
    scene.sts.forget_keys();
    let result = again.send().await;
    assert_eq!(outcome(&result), ("IDPCommunicationError".to_owned(), 400));
}

#[tokio::test]
async fn an_https_issuer_can_be_served_from_loopback() {
    let scene = Scene::new().await;
    let name = "https://login.example.com";
    let provider = Provider::new(ACCOUNT, name).client("sts.amazonaws.com");
    assert!(scene.sts.add_provider(provider.clone()).is_err());
    scene.role(&[json!({
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/login.example.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"login.example.com:sub": "alice"}}
    })]);
    let mut claims = scene.claims();
    claims["iss"] = json!(name);
    let issuer = Issuer::calling_itself(Some(name)).await;
    // The second one's documents speak for somebody else.
    for (documents, expected) in [(&issuer, "ok"), (&scene.issuer, "InvalidIdentityToken")] {
        let provider = provider.clone().fetched_from(documents.url());
        scene.sts.add_provider(provider).unwrap();
        let result = scene.exchange(issuer.token(&claims)).send().await;
        assert_eq!(outcome(&result).0, expected);
    }
}
