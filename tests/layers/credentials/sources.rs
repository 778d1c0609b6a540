//! Brokered, minted and chained sessions: what STS is told, and that it agrees.

use super::*;
use countersign::{
    expression::{Expression, TextExpression},
    proof::{Operation, Tool},
    sts::{
        Hop, MintOrder, Refusal, ServiceIdentity, SessionPolicy, SessionTag, SessionValue, StaticKeys,
        TokenMinter,
    },
};
use countersign_fixtures::{
    sts::Role,
    world::{ACCOUNT, STS_AUDIENCE},
};
use secrecy::SecretString;
use serde_json::json;

const BROKER: &str = "arn:aws:iam::123456789012:role/Broker";
const TEAM: &str = "arn:aws:iam::123456789012:role/Team";
const INVOKE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}"#;
const PARTNER: &str = "arn:aws:iam::210987654321:role/Partner";

/// The service's own keys, as a user of the account.
fn keys(scene: &Scene) -> StaticKeys {
    let user = scene.world.sts.book().issue_user(ACCOUNT, "gateway");
    StaticKeys::new(user.access_key_id, user.secret_access_key.into())
}

/// Lets `principal` assume `role`, on `condition`.
fn trust(scene: &Scene, role: &str, principal: &str, condition: &Value) {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": condition,
    }});
    scene.world.sts.add_role(Role::new(role).trusting(policy)).unwrap();
}

fn text(source: &str) -> TextExpression {
    TextExpression::compile(source).unwrap()
}

fn broker(scene: &Scene, session: Session) -> Stack {
    stack(&scene.cache(scene.sts().build().unwrap()), TEAM, session)
}

#[tokio::test]
async fn a_brokered_session_says_whose_it_is() {
    let scene = Scene::new().await;
    trust(
        &scene,
        TEAM,
        ACCOUNT,
        &json!({"StringEquals": {"sts:ExternalId": "4c11a3e8", "aws:RequestTag/Team": "data"}}),
    );
    let session = Session::brokered(keys(&scene))
        .with_tag(SessionTag::new("Team", text("claims.team")))
        .with_tag(SessionTag::new("CostCentre", text("claims.cost_centre")).optional())
        .with_source_identity(SessionValue::session_name())
        .with_external_id("4c11a3e8")
        .with_duration(1800 * SECOND)
        .build()
        .unwrap();
    let stack = broker(&scene, session);
    let credentials = ask_with(&stack, &scene.mint("alice").claim("team", "data").token()).await.unwrap();
    let issued = scene.world.sts.book().find(credentials.access_key_id()).unwrap().principal;
    assert_eq!(issued.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/Team/alice"));
    assert_eq!(issued.source_identity.as_deref(), Some("alice"));
    assert_eq!(issued.tags.into_iter().collect::<Vec<_>>(), [("Team".to_owned(), "data".to_owned())]);
    assert_eq!(scene.last_call().parameters["DurationSeconds"], "1800");

    // Another team is another session, and this trust policy knows it not.
    let error = ask_with(&stack, &scene.mint("alice").claim("team", "ops").token()).await.unwrap_err();
    assert_eq!(kind(&error), Kind::RoleRefused);
    // A tag about which nothing is known is no tag that may be left out.
    let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
    assert_eq!((kind(&error), status(&error)), (Kind::RuleFailed, 403));
    let error = ask_with(&stack, &scene.mint("alice").claim("team", "a<b").token()).await.unwrap_err();
    assert_eq!(kind(&error), Kind::InvalidStsRequest);
    assert_eq!(scene.calls(ASSUME), 2);
}

#[tokio::test]
async fn a_broker_needs_no_token_and_does_not_care_which() {
    let scene = Scene::new().await;
    trust(&scene, TEAM, ACCOUNT, &json!({}));
    let stack = broker(&scene, Session::brokered(keys(&scene)).build().unwrap());
    ask(&stack, &vouch(somebody(), None).await).await.unwrap();
    ask_with(&stack, &scene.mint("alice").claim("nonce", "1").token()).await.unwrap();
    ask_with(&stack, &scene.mint("alice").claim("nonce", "2").token()).await.unwrap();
    assert_eq!(scene.calls(ASSUME), 2, "two people, whatever their tokens say");
}

#[tokio::test]
async fn hops_go_on_from_role_to_role() {
    let scene = Scene::new().await;
    trust(&scene, PARTNER, world::USER, &json!({"StringEquals": {"sts:ExternalId": "4c11a3e8"}}));
    let hop = Hop::to(PARTNER.parse().unwrap())
        .with_external_id("4c11a3e8")
        .with_tag(SessionTag::new("Person", text("claims.sub")))
        .with_source_identity(SessionValue::session_name());
    let stack = scene.stack(Session::caller().then(hop).build().unwrap());
    let credentials = ask_with(&stack, &scene.token("alice")).await.unwrap();
    let issued = scene.world.sts.book().find(credentials.access_key_id()).unwrap().principal;
    assert_eq!(issued.arn, "arn:aws:sts::210987654321:assumed-role/Partner/alice");
    assert_eq!(issued.source_identity.as_deref(), Some("alice"));
    assert_eq!(issued.tags["Person"], "alice");
    assert_eq!((scene.calls(EXCHANGE), scene.calls(ASSUME)), (1, 1));
    assert!(scene.recorder.audit()[0].contains(&format!("became {PARTNER} as alice")));

    let without = Session::caller().then(Hop::to(PARTNER.parse().unwrap())).build().unwrap();
    let error = ask_with(&scene.stack(without), &scene.token("alice")).await.unwrap_err();
    assert_eq!(kind(&error), Kind::RoleRefused);
}

#[tokio::test]
async fn a_tool_that_reads_gets_less() {
    let scene = Scene::new().await;
    let session = Session::caller()
        .with_policy_when(
            Expression::compile("tool.read_only").unwrap(),
            SessionPolicy::managed(["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        )
        .with_policy(SessionPolicy::document(INVOKE))
        .build()
        .unwrap();
    let stack = scene.stack(session);
    let alice = caller(&scene.token("alice")).await;
    let about = |tool: Tool| alice.clone().about(Operation::on("warehouse").calling(tool));
    let reading = ask(&stack, &about(Tool::named("query").read_only())).await.unwrap();
    let also = ask(&stack, &about(Tool::named("list").read_only())).await.unwrap();
    let writing = ask(&stack, &about(Tool::named("drop"))).await.unwrap();
    assert_eq!(reading.access_key_id(), also.access_key_id());
    assert_ne!(reading.access_key_id(), writing.access_key_id());
    let policies = |id: &str| {
        let principal = scene.world.sts.book().find(id).unwrap().principal;
        (principal.session_policy, principal.session_policy_arns)
    };
    assert_eq!(policies(reading.access_key_id()).1, ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert!(policies(writing.access_key_id()).0.is_some());
    assert_eq!(scene.calls(EXCHANGE), 2);
}

#[tokio::test]
async fn a_managed_policy_of_another_account_is_refused_here() {
    let scene = Scene::new().await;
    let policy = SessionPolicy::managed(["arn:aws:iam::210987654321:policy/Theirs"]);
    let stack = scene.stack(Session::caller().with_policy(policy).build().unwrap());
    let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
    assert_eq!(kind(&error), Kind::InvalidStsRequest);
    assert!(chain(&error).contains("the role's own account"), "{}", chain(&error));
    assert_eq!(scene.calls(EXCHANGE), 0);
}

#[tokio::test]
async fn the_service_may_take_a_role_first() {
    let scene = Scene::new().await;
    trust(&scene, BROKER, ACCOUNT, &json!({}));
    trust(&scene, TEAM, BROKER, &json!({}));
    let sts = scene.sts().build().unwrap();
    let broker_role = ServiceIdentity::from(keys(&scene))
        .with_clock(scene.our_clock())
        .assuming(&sts, Hop::to(BROKER.parse().unwrap()))
        .unwrap();
    let stack = stack(&scene.cache(sts), TEAM, Session::brokered(broker_role.clone()).build().unwrap());
    ask_with(&stack, &scene.token("alice")).await.unwrap();
    ask_with(&stack, &scene.token("bob")).await.unwrap();
    assert_eq!(scene.calls(ASSUME), 3, "once for the broker, once a person");
    assert!(scene.last_call().caller.unwrap().ends_with("assumed-role/Broker/countersign"));

    let two_hours = Session::brokered(broker_role).with_duration(7200 * SECOND).build().unwrap_err();
    assert!(two_hours.to_string().contains("at most 3,600 s"), "{two_hours}");
}

#[tokio::test]
async fn a_brokers_own_credentials_that_are_over_are_replaced_and_tried_once_more() {
    let scene = Scene::new().await;
    trust(&scene, BROKER, ACCOUNT, &json!({}));
    trust(&scene, TEAM, BROKER, &json!({}));
    let sts = scene.sts().build().unwrap();
    let broker_role =
        ServiceIdentity::from(keys(&scene)).assuming(&sts, Hop::to(BROKER.parse().unwrap())).unwrap();
    let stack = stack(&scene.cache(sts), TEAM, Session::brokered(broker_role).build().unwrap());
    ask_with(&stack, &scene.token("alice")).await.unwrap();
    // Somebody revokes the broker's session.
    let issued = scene.world.sts.log().into_iter().find_map(|call| call.issued).unwrap();
    scene.world.sts.book().forget(&issued);
    ask_with(&stack, &scene.token("bob")).await.unwrap();
    assert_eq!(scene.calls(ASSUME), 5, "bob's first try is refused, then broker and bob once more");
}

#[tokio::test]
async fn keys_that_nobody_knows_are_our_fault() {
    let scene = Scene::new().await;
    trust(&scene, TEAM, ACCOUNT, &json!({}));
    let stranger = StaticKeys::new("AKIDUNKNOWN", "x".repeat(40).into());
    let stack = broker(&scene, Session::brokered(stranger).build().unwrap());
    let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
    assert_eq!((kind(&error), status(&error)), (Kind::NoServiceCredentials, 500));
    let session = StaticKeys::new("ASIAEXAMPLE", "x".repeat(40).into());
    let stack = broker(&scene, Session::brokered(session).build().unwrap());
    let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
    assert_eq!(kind(&error), Kind::NoServiceCredentials);
    assert!(chain(&error).contains("session token is missing"), "{}", chain(&error));
}

/// An authorization server's part, played by the issuer.
struct Mint(countersign_fixtures::idp::Mint);

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint")
    }
}

impl TokenMinter for Mint {
    fn issuer(&self) -> &str {
        "the issuer of the scene"
    }

    async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
        let tags: Map<String, Value> =
            order.tags().iter().map(|(key, value)| (key.clone(), json!([value]))).collect();
        let claim = json!({"principal_tags": tags, "transitive_tag_keys": order.transitive_tag_keys()});
        let token = self
            .0
            .clone()
            .audience(STS_AUDIENCE)
            .claim("sub", format!("{}|{}", order.caller().subject(), order.role_arn()))
            .claim("https://aws.amazon.com/tags", claim)
            .claim("https://aws.amazon.com/source_identity", order.source_identity())
            .token();
        Ok(token.into())
    }
}

#[tokio::test]
async fn a_minted_token_carries_tags_and_source_identity() {
    let scene = Scene::new().await;
    let session = Session::minted(Mint(scene.mint("minted")))
        .with_tag(SessionTag::new("Team", text("claims.team")).transitive())
        .with_source_identity(SessionValue::session_name())
        .build()
        .unwrap();
    let stack = scene.stack(session);
    let person = |team: &str| {
        let mut claims = somebody();
        claims.insert("team".to_owned(), team.into());
        vouch(claims, None)
    };
    let credentials = ask(&stack, &person("data").await).await.unwrap();
    let issued = scene.world.sts.book().find(credentials.access_key_id()).unwrap().principal;
    assert_eq!(issued.source_identity.as_deref(), Some("somebody"));
    assert_eq!(
        (issued.tags["Team"].as_str(), &issued.transitive_tag_keys[..]),
        ("data", &["Team".to_owned()][..])
    );
    assert!(!scene.last_call().parameters.keys().any(|name| name.starts_with("Tags")));
    ask(&stack, &person("data").await).await.unwrap();
    ask(&stack, &person("ops").await).await.unwrap();
    assert_eq!(scene.calls(EXCHANGE), 2);
}
