//! Who is let in and who is not, and what every refusal of STS becomes.

use super::*;
use countersign_fixtures::{
    idp::MintFault,
    sts::{Code, Fault, Role},
    world::{ACCOUNT, ADMIN, STS_AUDIENCE},
};
use serde_json::json;

#[tokio::test]
async fn trust_policies_decide_by_audience_subject_and_tag() {
    let scene = Scene::new().await;
    let issuer = scene.world.idp.issuer();
    let host = issuer.strip_prefix("http://").unwrap();
    let tagged = "arn:aws:iam::123456789012:role/Tagged";
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {"StringEquals": {
            (format!("{host}:aud")): STS_AUDIENCE,
            "aws:RequestTag/countersign-role": "Tagged",
        }},
    }});
    scene.world.sts.add_role(Role::new(tagged).trusting(trust)).unwrap();
    let cache = scene.cache(scene.sts().build().unwrap());
    let of = |role: &str| stack(&cache, role, Session::default());
    let with_tag =
        |role: &str| json!({"principal_tags": {"countersign-role": [role]}, "transitive_tag_keys": []});
    let tags = "https://aws.amazon.com/tags";

    for (role, token, expected) in [
        (ADMIN, scene.mint("alice"), Ok(())),
        (ADMIN, scene.mint("bob"), Err(Kind::RoleRefused)),
        (world::USER, scene.mint("bob"), Ok(())),
        (world::USER, scene.mint("bob").audience("https://other"), Err(Kind::IdentityTokenRejected)),
        (tagged, scene.mint("bob").claim(tags, with_tag("Tagged")), Ok(())),
        (tagged, scene.mint("bob").claim(tags, with_tag("Other")), Err(Kind::RoleRefused)),
        (tagged, scene.mint("bob"), Err(Kind::RoleRefused)),
        ("arn:aws:iam::123456789012:role/Nobodys", scene.mint("bob"), Err(Kind::RoleRefused)),
        (world::USER, scene.mint("dora").expires_in(-600), Err(Kind::ExpiredToken)),
        (world::USER, scene.mint("dora").fault(MintFault::BadSignature), Err(Kind::IdentityTokenRejected)),
        (world::USER, scene.mint("dora").fault(MintFault::UnknownKid), Err(Kind::IdentityTokenRejected)),
        (world::USER, scene.mint("dora").fault(MintFault::WrongIssuer), Err(Kind::IdentityTokenRejected)),
        (world::USER, scene.mint("dora").fault(MintFault::AlgNone), Err(Kind::NotExchangeable)),
        (world::USER, scene.mint("dora").fault(MintFault::Hs256WithPublicKey), Err(Kind::NotExchangeable)),
        (world::USER, scene.mint("dora").algorithm(Algorithm::EdDSA), Err(Kind::NotExchangeable)),
        (world::USER, scene.mint("dora").fault(MintFault::HugeClaim), Err(Kind::NotExchangeable)),
    ] {
        let outcome = ask_with(&of(role), &token.token()).await;
        assert_eq!(outcome.map(|_| ()).map_err(|error| kind(&error)), expected, "{role} {token:?}");
    }
    let opaque = caller("opaque").await;
    assert_eq!(kind(&ask(&of(world::USER), &opaque).await.unwrap_err()), Kind::NotExchangeable);
    let tokenless = vouch(somebody(), None).await;
    assert_eq!(kind(&ask(&of(world::USER), &tokenless).await.unwrap_err()), Kind::NotExchangeable);
}

#[tokio::test]
async fn what_sts_would_not_look_at_is_not_sent_there() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    for token in [
        scene.mint("alice").algorithm(Algorithm::EdDSA).token(),
        scene.mint("alice").algorithm(Algorithm::PS256).token(),
        scene.mint("alice").fault(MintFault::HugeClaim).token(),
        "opaque".to_owned(),
    ] {
        let error = ask_with(&stack, &token).await.unwrap_err();
        assert_eq!((kind(&error), status(&error)), (Kind::NotExchangeable, 500));
    }
    assert_eq!(scene.calls(EXCHANGE), 0);
}

#[tokio::test]
async fn every_error_of_sts_has_its_kind_its_status_and_its_advice() {
    let scene = Scene::new().await;
    for (code, wanted, http, advice) in [
        (Code::AccessDenied, Kind::RoleRefused, 403, "trust policy"),
        (Code::ExpiredTokenException, Kind::ExpiredToken, 401, "sign in again"),
        (Code::InvalidIdentityToken, Kind::IdentityTokenRejected, 502, "OIDC provider"),
        (Code::IDPRejectedClaim, Kind::ClaimRejected, 403, "look at the issuer"),
        (Code::IDPCommunicationError, Kind::StsCannotReachIssuer, 503, "reachable for AWS"),
        (Code::MalformedPolicyDocument, Kind::MalformedPolicy, 500, "correct the session policy"),
        (Code::PackedPolicyTooLarge, Kind::PolicyTooLarge, 500, "shorten"),
        (Code::RegionDisabledException, Kind::RegionDisabled, 500, "activate STS"),
        (Code::ValidationError, Kind::InvalidStsRequest, 500, "role's maximum"),
        (Code::InvalidParameterValue, Kind::InvalidStsRequest, 500, "role's maximum"),
        (Code::Throttling, Kind::StsThrottled, 503, "quota"),
        (Code::ServiceUnavailable, Kind::StsUnavailable, 503, "the way to STS"),
        (Code::InternalFailure, Kind::StsUnavailable, 503, "the way to STS"),
    ] {
        scene.world.sts.faults().add(EXCHANGE, Fault::Error(code), None);
        let sts = scene.sts().with_timeouts(2 * SECOND, 2 * SECOND).build().unwrap();
        let stack = stack(&scene.cache(sts), world::USER, Session::default());
        let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
        assert_eq!((kind(&error), status(&error)), (wanted, http), "{code:?}");
        let log = chain(&error);
        let request = scene.last_call().request_id;
        assert!(
            log.contains(code.name()) && log.contains(advice) && log.contains(&request),
            "{code:?}: {log}"
        );
        assert!(!error.to_string().contains(code.name()), "{error}");
        scene.world.sts.faults().clear();
    }
}

#[tokio::test]
async fn trouble_on_the_way_to_sts_is_an_outage() {
    let scene = Scene::new().await;
    for fault in
        [Fault::Reset, Fault::Garbage, Fault::Empty, Fault::Status(502), Fault::Status(404), Fault::Slow(900)]
    {
        scene.world.sts.faults().add(EXCHANGE, fault.clone(), None);
        let sts = scene.sts().with_timeouts(SECOND / 4, SECOND / 4).build().unwrap();
        let stack = stack(&scene.cache(sts), world::USER, Session::default());
        let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
        assert_eq!(
            (kind(&error), status(&error)),
            (Kind::StsUnavailable, 503),
            "{fault:?}: {}",
            chain(&error)
        );
        scene.world.sts.faults().clear();
    }
    let nobody = Sts::builder("us-east-1").with_endpoint("http://127.0.0.1:1").with_timeouts(SECOND, SECOND);
    let stack = stack(&scene.cache(nobody.build().unwrap()), world::USER, Session::default());
    assert_eq!(kind(&ask_with(&stack, &scene.token("alice")).await.unwrap_err()), Kind::StsUnavailable);
}

#[tokio::test]
async fn what_passes_is_tried_again_within_the_deadline() {
    let scene = Scene::new().await;
    let stack = scene.stack(Session::default());
    let faults = scene.world.sts.faults();
    for (number, fault) in
        [Fault::Error(Code::IDPCommunicationError), Fault::Throttling(None), Fault::Status(503), Fault::Reset]
            .into_iter()
            .enumerate()
    {
        faults.add(EXCHANGE, fault, Some(2));
        ask_with(&stack, &scene.token(&format!("person-{number}"))).await.unwrap();
    }
    assert_eq!(scene.calls(EXCHANGE), 12);

    faults.add(EXCHANGE, Fault::Throttling(Some(60)), None);
    let error = ask_with(&stack, &scene.token("late")).await.unwrap_err();
    assert_eq!(kind(&error), Kind::StsThrottled);
    assert_eq!(Answer::to(&*error).retry_after(), Some(60 * SECOND));
    assert_eq!(scene.calls(EXCHANGE), 13, "a minute is longer than the deadline");
}

#[tokio::test]
async fn a_role_of_another_partition_is_refused_here() {
    let scene = Scene::new().await;
    let cache = scene.cache(scene.sts().build().unwrap());
    let stack = stack(&cache, "arn:aws-cn:iam::123456789012:role/R", Session::default());
    let error = ask_with(&stack, &scene.token("alice")).await.unwrap_err();
    assert_eq!(kind(&error), Kind::InvalidStsRequest);
    assert!(chain(&error).contains("not in the partition aws"), "{}", chain(&error));
    assert_eq!(scene.calls(EXCHANGE), 0);
}
