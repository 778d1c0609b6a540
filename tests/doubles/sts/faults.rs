//! Wrong answers on demand, as a client sees them.

use super::{Scene, outcome};
use aws_sdk_sts::error::SdkError;
use countersign_fixtures::sts::{Code, Fault};
use std::time::{Duration, Instant};

const ACTION: &str = "AssumeRoleWithWebIdentity";

#[tokio::test]
async fn every_error_code_arrives_with_its_status() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    for (code, status) in [
        (Code::AccessDenied, 403),
        (Code::ExpiredToken, 403),
        (Code::ExpiredTokenException, 400),
        (Code::IDPCommunicationError, 400),
        (Code::IDPRejectedClaim, 403),
        (Code::IncompleteSignature, 400),
        (Code::InternalFailure, 500),
        (Code::InvalidAction, 400),
        (Code::InvalidClientTokenId, 403),
        (Code::InvalidIdentityToken, 400),
        (Code::InvalidParameterValue, 400),
        (Code::MalformedPolicyDocument, 400),
        (Code::MissingAction, 400),
        (Code::MissingAuthenticationToken, 403),
        (Code::PackedPolicyTooLarge, 400),
        (Code::RegionDisabledException, 403),
        (Code::RequestExpired, 400),
        (Code::ServiceUnavailable, 503),
        (Code::SignatureDoesNotMatch, 403),
        (Code::Throttling, 400),
        (Code::ValidationError, 400),
    ] {
        scene.sts.faults().add(ACTION, Fault::Error(code), Some(1));
        let result = scene.exchange(&token).send().await;
        assert_eq!(outcome(&result), (code.name().to_owned(), status));
    }
    // Used up: the truth again.
    assert_eq!(outcome(&scene.exchange(&token).send().await).0, "ok");
    assert_eq!(scene.sts.calls(ACTION), 22);
}

#[tokio::test]
async fn typed_errors_are_what_the_sdk_calls_them() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    for (code, typed) in [
        (Code::ExpiredTokenException, "ExpiredTokenException"),
        (Code::IDPCommunicationError, "IdpCommunicationErrorException"),
        (Code::IDPRejectedClaim, "IdpRejectedClaimException"),
        (Code::InvalidIdentityToken, "InvalidIdentityTokenException"),
        (Code::MalformedPolicyDocument, "MalformedPolicyDocumentException"),
        (Code::PackedPolicyTooLarge, "PackedPolicyTooLargeException"),
        (Code::RegionDisabledException, "RegionDisabledException"),
    ] {
        scene.sts.faults().add(ACTION, Fault::Error(code), Some(1));
        let error = scene.exchange(&token).send().await.unwrap_err();
        let error = format!("{:?}", error.into_service_error());
        assert!(error.starts_with(typed), "{error}");
    }
}

#[tokio::test]
async fn throttling_may_say_when_to_come_back() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    for (retry_after, header) in [(Some(7), Some("7")), (None, None)] {
        let fault = Fault::Throttling(retry_after);
        scene.sts.faults().add(ACTION, fault, Some(1));
        let result = scene.exchange(&token).send().await;
        assert_eq!(outcome(&result), ("Throttling".to_owned(), 400));
        let error = result.unwrap_err();
        let headers = error.raw_response().unwrap().headers();
        assert_eq!(headers.get("retry-after"), header);
        assert!(headers.get("x-amzn-requestid").is_some());
    }
}

#[tokio::test]
async fn answers_that_are_none() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    let faults = scene.sts.faults();

    for status in [500, 503] {
        faults.add(ACTION, Fault::Status(status), Some(1));
        let error = scene.exchange(&token).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        assert_eq!(error.into_service_error().meta().code(), None);
    }
    for fault in [Fault::Garbage, Fault::Empty] {
        faults.add(ACTION, fault, Some(1));
        let error = scene.exchange(&token).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 200);
    }
    faults.add(ACTION, Fault::Reset, Some(1));
    let error = scene.exchange(&token).send().await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");

    faults.add(ACTION, Fault::Slow(150), Some(1));
    let begun = Instant::now();
    scene.exchange(&token).send().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150));

    let outcomes: Vec<String> = scene.sts.log().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["status 500", "status 503", "garbage", "empty", "reset", "ok"]);
}

#[tokio::test]
async fn faults_have_an_action_and_an_end() {
    let scene = Scene::trusting().await;
    let token = scene.issuer.token(&scene.claims());
    let faults = scene.sts.faults();
    faults.add("AssumeRole", Fault::Reset, None);
    assert_eq!(outcome(&scene.exchange(&token).send().await).0, "ok");
    faults.add("*", Fault::Error(Code::ServiceUnavailable), None);
    for _ in 0..3 {
        let result = scene.exchange(&token).send().await;
        assert_eq!(outcome(&result).0, "ServiceUnavailable");
    }
    faults.clear();
    assert_eq!(outcome(&scene.exchange(&token).send().await).0, "ok");
}
