//! `AssumeRole` and `GetCallerIdentity`: calls that are signed.

use super::{ACCOUNT, ROLE, Scene, outcome};
use aws_sdk_sts::{
    operation::assume_role::{AssumeRoleOutput, builders::AssumeRoleFluentBuilder},
    types::Tag,
};
use countersign_fixtures::{credentials::Credentials, sts::Role};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: &str = "arn:aws:iam::210987654321:role/Second";

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

fn trust(scene: &Scene, role: &str, principal: &Value, actions: &[&str], condition: &Value) {
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition
    }]});
    let role = Role::new(role).trusting(policy).max_duration(Duration::from_secs(7200));
    scene.sts.add_role(role).unwrap();
}

fn assume(scene: &Scene, with: &Credentials) -> AssumeRoleFluentBuilder {
    scene.signing(with).assume_role().role_arn(ROLE).role_session_name("alice")
}

/// What the book knows of credentials that came over the wire.
fn issued(scene: &Scene, answer: &AssumeRoleOutput) -> Credentials {
    let id = answer.credentials().unwrap().access_key_id();
    scene.sts.book().find(id).unwrap()
}

#[tokio::test]
async fn everybody_learns_who_they_are() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let answer = scene.signing(&user).get_caller_identity().send().await.unwrap();
    assert_eq!(answer.arn(), Some("arn:aws:iam::123456789012:user/server"));
    assert_eq!(answer.account(), Some(ACCOUNT));
    assert_eq!(answer.user_id(), Some(user.principal.user_id.as_str()));

    trust(&scene, ROLE, &json!({"AWS": ACCOUNT}), &["sts:AssumeRole"], &json!({}));
    let session = issued(&scene, &assume(&scene, &user).send().await.unwrap());
    let answer = scene.signing(&session).get_caller_identity().send().await.unwrap();
    let arn = "arn:aws:sts::123456789012:assumed-role/McpAdmin/alice";
    assert_eq!(answer.arn(), Some(arn));
    assert_eq!(scene.sts.log().last().unwrap().caller.as_deref(), Some(arn));
    assert!(answer.user_id().unwrap().ends_with(":alice"));
}

#[tokio::test]
async fn signatures_are_verified() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let wrong = Credentials { secret_access_key: "x".repeat(40), ..user.clone() };
    let result = scene.signing(&wrong).get_caller_identity().send().await;
    assert_eq!(outcome(&result), ("SignatureDoesNotMatch".to_owned(), 403));

    let stranger = Credentials { access_key_id: "AKIAAAAAAAAAAAAAAAAA".to_owned(), ..user.clone() };
    let result = scene.signing(&stranger).get_caller_identity().send().await;
    assert_eq!(outcome(&result), ("InvalidClientTokenId".to_owned(), 403));

    trust(&scene, ROLE, &json!({"AWS": ACCOUNT}), &["sts:AssumeRole"], &json!({}));
    let call = assume(&scene, &user).duration_seconds(900);
    let session = issued(&scene, &call.send().await.unwrap());
    scene.clock.advance(Duration::from_secs(901));
    let result = scene.signing(&session).get_caller_identity().send().await;
    assert_eq!(outcome(&result), ("ExpiredToken".to_owned(), 403));
    let result = assume(&scene, &session).send().await;
    assert_eq!(outcome(&result), ("ExpiredToken".to_owned(), 403));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_a_signature_that_does_not_match() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let behind = Scene::new().await;
    behind.clock.rewind(Duration::from_secs(1200));
    let config = scene.signing(&user).config().to_builder();
    let client = aws_sdk_sts::Client::from_conf(config.time_source(super::SceneTime(behind.clock)).build());
    let result = client.get_caller_identity().send().await;
    assert_eq!(outcome(&result), ("SignatureDoesNotMatch".to_owned(), 403));
}

#[tokio::test]
async fn trust_policies_decide() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let me = json!({"AWS": "arn:aws:iam::123456789012:user/server"});
    let account = json!({"AWS": "arn:aws:iam::123456789012:root"});
    let other = json!({"AWS": "arn:aws:iam::123456789012:user/other"});
    let anyone = json!("*");
    let none = json!({});
    let external = json!({"StringEquals": {"sts:ExternalId": "secret"}});
    let principal = json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/server"}});
    let source = json!({"StringLike": {"sts:SourceIdentity": "a*"}});
    let only_team = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}});
    let assume_only = ["sts:AssumeRole"];
    let and_tag = ["sts:AssumeRole", "sts:TagSession"];
    let and_source = ["sts:AssumeRole", "sts:SetSourceIdentity"];
    let call = || assume(&scene, &user);
    for (what, principal, actions, condition, call, expected) in [
        ("by name", &me, &assume_only[..], &none, call(), true),
        ("by account", &account, &assume_only, &none, call(), true),
        ("anyone", &anyone, &assume_only, &none, call(), true),
        ("somebody else", &other, &assume_only, &none, call(), false),
        ("a condition on the caller", &anyone, &assume_only, &principal, call(), true),
        ("external id", &me, &assume_only, &external, call().external_id("secret"), true),
        ("wrong external id", &me, &assume_only, &external, call().external_id("guess"), false),
        ("no external id", &me, &assume_only, &external, call(), false),
        ("tags", &me, &and_tag, &only_team, call().tags(tag("Team", "x")), true),
        ("another tag", &me, &and_tag, &only_team, call().tags(tag("Cost", "x")), false),
        ("TagSession missing", &me, &assume_only, &none, call().tags(tag("Team", "x")), false),
        ("source identity", &me, &and_source, &source, call().source_identity("alice"), true),
        ("another one", &me, &and_source, &source, call().source_identity("bob"), false),
        ("SetSourceIdentity missing", &me, &assume_only, &none, call().source_identity("alice"), false),
    ] {
        trust(&scene, ROLE, principal, actions, condition);
        let result = call.send().await;
        let code = if expected { "ok" } else { "AccessDenied" };
        assert_eq!(outcome(&result).0, code, "{what}");
    }
}

#[tokio::test]
async fn parameters_have_limits() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let actions = ["sts:AssumeRole", "sts:TagSession"];
    trust(&scene, ROLE, &json!({"AWS": ACCOUNT}), &actions, &json!({}));
    let call = || assume(&scene, &user);
    let many: Vec<Tag> = (0..51).map(|n| tag(&format!("k{n}"), "v")).collect();
    let large: Vec<Tag> = (0..50).map(|n| tag(&format!("k{n}"), &"v".repeat(256))).collect();
    for (what, call, expected) in [
        ("two hours", call().duration_seconds(7200), "ok"),
        ("more than the role allows", call().duration_seconds(7201), "ValidationError"),
        ("too many tags", call().set_tags(Some(many)), "ValidationError"),
        ("tags too large in all", call().set_tags(Some(large)), "PackedPolicyTooLarge"),
        ("a tag twice", call().tags(tag("a", "")).tags(tag("A", "")), "InvalidParameterValue"),
        ("not among the tags", call().transitive_tag_keys("a"), "InvalidParameterValue"),
        ("source identity", call().source_identity("no spaces"), "ValidationError"),
        ("MFA", call().token_code("123456"), "InvalidParameterValue"),
    ] {
        assert_eq!(outcome(&call.send().await).0, expected, "{what}");
    }
}

#[tokio::test]
async fn a_chain_keeps_what_it_began_with() {
    let scene = Scene::new().await;
    let user = scene.sts.book().issue_user(ACCOUNT, "server");
    let all = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];
    trust(&scene, ROLE, &json!({"AWS": ACCOUNT}), &all, &json!({}));
    trust(
        &scene,
        SECOND,
        &json!({"AWS": ROLE}),
        &all,
        &json!({"StringEquals": {"aws:PrincipalTag/Team": "blue"}}),
    );
    let first = assume(&scene, &user)
        .tags(tag("Team", "blue"))
        .tags(tag("Own", "x"))
        .transitive_tag_keys("Team")
        .source_identity("alice");
    let first = issued(&scene, &first.send().await.unwrap());
    let hop = || assume(&scene, &first).role_arn(SECOND);

    let answer = hop().tags(tag("New", "y")).send().await.unwrap();
    assert_eq!(answer.source_identity(), Some("alice"));
    let second = issued(&scene, &answer).principal;
    assert_eq!(second.arn, "arn:aws:sts::210987654321:assumed-role/Second/alice");
    let tags: Vec<(&str, &str)> = second.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(tags, [("New", "y"), ("Team", "blue")]);
    assert_eq!(second.transitive_tag_keys, ["Team"]);

    for (what, call, expected) in [
        ("an hour", hop().duration_seconds(3600), "ok"),
        ("more than an hour", hop().duration_seconds(3601), "ValidationError"),
        ("the same source identity", hop().source_identity("alice"), "ok"),
        ("another source identity", hop().source_identity("bob"), "AccessDenied"),
        ("a transitive tag again", hop().tags(tag("TEAM", "red")), "InvalidParameterValue"),
    ] {
        assert_eq!(outcome(&call.send().await).0, expected, "{what}");
    }
    for lacking in ["sts:TagSession", "sts:SetSourceIdentity"] {
        let actions: Vec<&str> = all.into_iter().filter(|action| *action != lacking).collect();
        trust(&scene, SECOND, &json!({"AWS": ROLE}), &actions, &json!({}));
        let result = hop().send().await;
        assert_eq!(outcome(&result).0, "AccessDenied", "without {lacking}");
    }
}
