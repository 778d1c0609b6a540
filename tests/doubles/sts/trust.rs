//! `AssumeRoleWithWebIdentity`: who is trusted with a role, and within which limits.

use super::{ROLE, SOURCE_IDENTITY, Scene, TAGS, allow, outcome, packed_size};
use aws_sdk_sts::types::PolicyDescriptorType;
use countersign_fixtures::sts::Role;
use serde_json::json;
use std::time::Duration;

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
        ("audience", &plain, vec![allow(&scene, &[federate], &equals(&aud, "sts.amazonaws.com"))], true),
        ("other audience", &plain, vec![allow(&scene, &[federate], &equals(&aud, "mcp-client"))], false),
        (
            "azp is the audience",
            &with_azp,
            vec![allow(&scene, &[federate], &equals(&aud, "mcp-client"))],
            true,
        ),
        (
            "and aud is not",
            &with_azp,
            vec![allow(&scene, &[federate], &equals(&aud, "sts.amazonaws.com"))],
            false,
        ),
        ("azp by its name", &with_azp, vec![allow(&scene, &[federate], &equals(&azp, "mcp-client"))], true),
        ("subject", &plain, vec![allow(&scene, &[federate], &equals(&sub, "alice"))], true),
        ("other subject", &plain, vec![allow(&scene, &[federate], &equals(&sub, "bob"))], false),
        ("tag", &tagged, vec![allow(&scene, &[federate, "TagSession"], &equals(tag, "blue"))], true),
        ("other tag", &tagged, vec![allow(&scene, &[federate, "TagSession"], &equals(tag, "red"))], false),
        ("no tag", &plain, vec![allow(&scene, &[federate, "TagSession"], &equals(tag, "blue"))], false),
        ("TagSession missing", &tagged, vec![allow(&scene, &[federate], &json!({}))], false),
        (
            "SetSourceIdentity",
            &named,
            vec![allow(&scene, &[federate, "SetSourceIdentity"], &json!({}))],
            true,
        ),
        ("SetSourceIdentity missing", &named, vec![allow(&scene, &[federate], &json!({}))], false),
        (
            "session name",
            &plain,
            vec![allow(
                &scene,
                &[federate],
                &json!({"StringLike": {"sts:RoleSessionName": "*@example.com"}}),
            )],
            true,
        ),
        ("another action", &plain, vec![allow(&scene, &["AssumeRole"], &json!({}))], false),
        (
            "a denial",
            &plain,
            vec![
                allow(&scene, &[federate], &json!({})),
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
    let foreign =
        scene.exchange(scene.issuer.token(&plain)).role_arn("arn:aws:iam::123456789012:role/Nobody");
    assert_eq!(outcome(&foreign.send().await), ("AccessDenied".to_owned(), 403));
    let elsewhere =
        scene.exchange(scene.issuer.token(&plain)).role_arn("arn:aws:iam::210987654321:role/McpAdmin");
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
    let foreign = PolicyDescriptorType::builder().arn("arn:aws:iam::210987654321:policy/x").build();
    for (what, call, expected) in [
        ("900 s", call().duration_seconds(900), "ok"),
        ("899 s", call().duration_seconds(899), "ValidationError"),
        ("more than the role allows", call().duration_seconds(3601), "ValidationError"),
        ("more than anything allows", call().duration_seconds(43_201), "ValidationError"),
        ("short name", call().role_session_name("a"), "ValidationError"),
        ("long name", call().role_session_name("a".repeat(65)), "ValidationError"),
        ("bad name", call().role_session_name("auth0|alice"), "ValidationError"),
        ("no ARN", call().role_arn("role/McpAdmin/but/long/enough"), "ValidationError"),
        ("policy", call().policy(policy(0)), "ok"),
        ("long policy", call().policy(policy(2048)), "ValidationError"),
        ("no JSON", call().policy("{"), "MalformedPolicyDocument"),
        ("no policy", call().policy("{}"), "MalformedPolicyDocument"),
        ("managed policies", call().set_policy_arns(Some(few)), "ok"),
        ("too much in all", call().set_policy_arns(Some(ten)), "PackedPolicyTooLarge"),
        ("too many", call().set_policy_arns(Some(eleven)), "ValidationError"),
        ("not ours", call().policy_arns(foreign), "ValidationError"),
        ("ProviderId", call().provider_id("www.amazon.com"), "InvalidParameterValue"),
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
    let trust = json!({"Statement": [allow(&scene, &["AssumeRoleWithWebIdentity"], &json!({}))]});
    let role = Role::new(ROLE).trusting(trust).max_duration(Duration::from_secs(43_200));
    scene.sts.add_role(role).unwrap();
    let sts = scene.sts.with_lifetime_divisor(3600);
    let scene = Scene { sts, ..scene };
    let call = scene.exchange(scene.issuer.token(&scene.claims()));
    let answer = call.duration_seconds(43_200).send().await.unwrap();
    let left = answer.credentials().unwrap().expiration().secs() - scene.clock.unix();
    assert!((11..=13).contains(&left), "{left}");
}
