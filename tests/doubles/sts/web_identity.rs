//! `AssumeRoleWithWebIdentity`: who is believed, who is trusted, and what comes back.

use super::{ACCOUNT, ROLE, Scene, allow, outcome};
use aws_sdk_sts::{
    operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput, types::PolicyDescriptorType,
};
use countersign_fixtures::{
    keys::{self, Algorithm, SigningKey},
    sts::{Provider, Role},
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

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
        (
            vec![set("aud", json!("other")), set("azp", json!("mcp-client"))],
            "ok",
        ),
        (vec![set("azp", json!("other"))], "InvalidIdentityToken"),
        (vec![set("aud", Value::Null)], "InvalidIdentityToken"),
        (vec![set("sub", Value::Null)], "InvalidIdentityToken"),
        (vec![set("exp", Value::Null)], "InvalidIdentityToken"),
        (vec![set("iat", Value::Null)], "InvalidIdentityToken"),
        (vec![set("exp", json!(1e10))], "InvalidIdentityToken"),
        (
            vec![set("iss", json!("http://127.0.0.1:1"))],
            "InvalidIdentityToken",
        ),
        // AWS grants five minutes.
        (vec![set("exp", json!(now - 290))], "ok"),
        (vec![set("exp", json!(now - 301))], "ExpiredTokenException"),
        (vec![set("nbf", json!(now + 900))], "InvalidIdentityToken"),
        (vec![set("iat", json!(now + 900))], "InvalidIdentityToken"),
        (
            vec![set(SOURCE_IDENTITY, json!("no spaces"))],
            "InvalidIdentityToken",
        ),
        (
            vec![set(TAGS, json!({"principal_tags": {"a": "b"}}))],
            "InvalidIdentityToken",
        ),
        (
            vec![set(TAGS, json!({"principal_tags": {"a": ["b", "c"]}}))],
            "InvalidIdentityToken",
        ),
    ] {
        let mut token = scene.claims();
        for (name, value) in &claims {
            match value {
                Value::Null => drop(token.as_object_mut().unwrap().remove(name)),
                value => token[name] = value.clone(),
            }
        }
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
    let crit = scene
        .issuer
        .key
        .jwt(&json!({"alg": "ES256", "kid": "first", "crit": ["exp"]}), &claims);
    for (what, token) in [
        (
            "another key's signature",
            scene.issuer.token_with(&forged, &claims),
        ),
        ("no signature", format!("{message}.")),
        (
            "another message",
            format!("{}.{signature}", message.replace("ey", "fy")),
        ),
        ("EdDSA", scene.issuer.token_with(&eddsa, &claims)),
        (
            "a key nobody published",
            scene.issuer.token_with(&unknown, &claims),
        ),
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
    let issuer = "https://login.example.com";
    let provider = Provider::new(ACCOUNT, issuer).client("sts.amazonaws.com");
    assert!(scene.sts.add_provider(provider.clone()).is_err());
    scene
        .sts
        .add_provider(provider.fetched_from(scene.issuer.url()))
        .unwrap();
    let mut claims = scene.claims();
    claims["iss"] = json!(issuer);
    // The documents there speak for somebody else.
    let result = scene.exchange_claims(&claims).await;
    assert_eq!(outcome(&result).0, "InvalidIdentityToken");
}

#[tokio::test]
async fn trust_policies_decide() {
    let scene = Scene::new().await;
    let federate = "AssumeRoleWithWebIdentity";
    let tags = json!({"principal_tags": {"Team": ["blue"]}, "transitive_tag_keys": ["Team"]});
    let plain = scene.claims();
    let mut tagged = plain.clone();
    tagged[TAGS] = tags;
    let mut named = plain.clone();
    named[SOURCE_IDENTITY] = json!("alice");
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    let (aud, azp, sub) = (scene.key("aud"), scene.key("azp"), scene.key("sub"));
    let mut with_azp = plain.clone();
    with_azp["azp"] = json!("mcp-client");
    let tag = "aws:RequestTag/Team";

    for (what, claims, statements, expected) in [
        (
            "audience",
            &plain,
            vec![allow(&scene, &[federate], equals(&aud, "sts.amazonaws.com"))],
            true,
        ),
        (
            "other audience",
            &plain,
            vec![allow(&scene, &[federate], equals(&aud, "mcp-client"))],
            false,
        ),
        (
            "azp is the audience",
            &with_azp,
            vec![allow(&scene, &[federate], equals(&aud, "mcp-client"))],
            true,
        ),
        (
            "and aud is not",
            &with_azp,
            vec![allow(&scene, &[federate], equals(&aud, "sts.amazonaws.com"))],
            false,
        ),
        (
            "azp by its name",
            &with_azp,
            vec![allow(&scene, &[federate], equals(&azp, "mcp-client"))],
            true,
        ),
        (
            "subject",
            &plain,
            vec![allow(&scene, &[federate], equals(&sub, "alice"))],
            true,
        ),
        (
            "other subject",
            &plain,
            vec![allow(&scene, &[federate], equals(&sub, "bob"))],
            false,
        ),
        (
            "tag",
            &tagged,
            vec![allow(&scene, &[federate, "TagSession"], equals(tag, "blue"))],
            true,
        ),
        (
            "other tag",
            &tagged,
            vec![allow(&scene, &[federate, "TagSession"], equals(tag, "red"))],
            false,
        ),
        (
            "no tag",
            &plain,
            vec![allow(&scene, &[federate, "TagSession"], equals(tag, "blue"))],
            false,
        ),
        (
            "TagSession missing",
            &tagged,
            vec![allow(&scene, &[federate], json!({}))],
            false,
        ),
        (
            "SetSourceIdentity",
            &named,
            vec![allow(&scene, &[federate, "SetSourceIdentity"], json!({}))],
            true,
        ),
        (
            "SetSourceIdentity missing",
            &named,
            vec![allow(&scene, &[federate], json!({}))],
            false,
        ),
        (
            "session name",
            &plain,
            vec![allow(
                &scene,
                &[federate],
                json!({"StringLike": {"sts:RoleSessionName": "*@example.com"}}),
            )],
            true,
        ),
        (
            "another action",
            &plain,
            vec![allow(&scene, &["AssumeRole"], json!({}))],
            false,
        ),
        (
            "a denial",
            &plain,
            vec![
                allow(&scene, &[federate], json!({})),
                json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": equals(&sub, "alice")}),
            ],
            false,
        ),
        (
            "another provider",
            &plain,
            vec![json!({
                "Effect": "Allow",
                "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/idp.example.com"},
                "Action": "sts:AssumeRoleWithWebIdentity"
            })],
            false,
        ),
    ] {
        scene.role(&statements);
        let result = scene.exchange_claims(claims).await;
        let code = if expected { "ok" } else { "AccessDenied" };
        assert_eq!(outcome(&result).0, code, "{what}");
        if what == "SetSourceIdentity" {
            assert_eq!(result.unwrap().source_identity(), Some("alice"));
        } else if what == "tag" {
            let answer = result.unwrap();
            let id = answer.credentials().unwrap().access_key_id();
            let principal = scene.sts.book().find(id).unwrap().principal;
            assert_eq!(principal.tags["Team"], "blue");
            assert_eq!(principal.transitive_tag_keys, ["Team"]);
            assert!(packed_size(&answer).is_some());
        }
    }
    let foreign = scene
        .exchange(scene.issuer.token(&plain))
        .role_arn("arn:aws:iam::123456789012:role/Nobody");
    assert_eq!(outcome(&foreign.send().await), ("AccessDenied".to_owned(), 403));
    let elsewhere = scene
        .exchange(scene.issuer.token(&plain))
        .role_arn("arn:aws:iam::210987654321:role/McpAdmin");
    assert_eq!(outcome(&elsewhere.send().await).0, "InvalidIdentityToken");
}

#[tokio::test]
async fn parameters_have_limits() {
    let scene = Scene::trusting().await;
    let call = || scene.exchange(scene.issuer.token(&scene.claims()));
    let policy = |padding: usize| {
        json!({"Statement": {
            "Sid": "x".repeat(padding), "Effect": "Allow", "Action": "*", "Resource": "*"
        }})
        .to_string()
    };
    let arn = |n: u32| {
        PolicyDescriptorType::builder()
            .arn(format!("arn:aws:iam::aws:policy/{n}-{}", "x".repeat(300)))
            .build()
    };
    let few: Vec<_> = (0..2).map(arn).collect();
    let ten: Vec<_> = (0..10).map(arn).collect();
    let eleven: Vec<_> = (0..11).map(arn).collect();
    let foreign = PolicyDescriptorType::builder()
        .arn("arn:aws:iam::210987654321:policy/x")
        .build();
    for (what, call, expected) in [
        ("900 s", call().duration_seconds(900), "ok"),
        ("899 s", call().duration_seconds(899), "ValidationError"),
        (
            "more than the role allows",
            call().duration_seconds(3601),
            "ValidationError",
        ),
        (
            "more than anything allows",
            call().duration_seconds(43_201),
            "ValidationError",
        ),
        ("short name", call().role_session_name("a"), "ValidationError"),
        (
            "long name",
            call().role_session_name("a".repeat(65)),
            "ValidationError",
        ),
        (
            "bad name",
            call().role_session_name("auth0|alice"),
            "ValidationError",
        ),
        (
            "no ARN",
            call().role_arn("role/McpAdmin/but/long/enough"),
            "ValidationError",
        ),
        ("policy", call().policy(policy(0)), "ok"),
        ("long policy", call().policy(policy(2048)), "ValidationError"),
        ("no JSON", call().policy("{"), "MalformedPolicyDocument"),
        ("no policy", call().policy("{}"), "MalformedPolicyDocument"),
        ("managed policies", call().set_policy_arns(Some(few)), "ok"),
        (
            "too much in all",
            call().set_policy_arns(Some(ten)),
            "PackedPolicyTooLarge",
        ),
        (
            "too many",
            call().set_policy_arns(Some(eleven)),
            "ValidationError",
        ),
        ("not ours", call().policy_arns(foreign), "ValidationError"),
        (
            "ProviderId",
            call().provider_id("www.amazon.com"),
            "InvalidParameterValue",
        ),
    ] {
        let result = call.send().await;
        assert_eq!(outcome(&result).0, expected, "{what}");
        assert_eq!(
            result.is_ok_and(|answer| packed_size(&answer).is_some()),
            expected == "ok" && what != "900 s",
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_role_may_allow_longer_sessions_and_a_test_shorter_ones() {
    let scene = Scene::new().await;
    let trust = json!({"Statement": [allow(&scene, &["AssumeRoleWithWebIdentity"], json!({}))]});
    let role = Role::new(ROLE)
        .trusting(trust)
        .max_duration(Duration::from_secs(43_200));
    scene.sts.add_role(role).unwrap();
    let sts = scene.sts.with_lifetime_divisor(3600);
    let scene = Scene { sts, ..scene };
    let call = scene.exchange(scene.issuer.token(&scene.claims()));
    let answer = call.duration_seconds(43_200).send().await.unwrap();
    let left = answer.credentials().unwrap().expiration().secs() - scene.clock.unix();
    assert!((11..=13).contains(&left), "{left}");
}

#[expect(deprecated, reason = "AWS still answers with it, and clients still read it")]
fn packed_size(answer: &AssumeRoleWithWebIdentityOutput) -> Option<i32> {
    answer.packed_policy_size()
}
