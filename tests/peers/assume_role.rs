//! The library's own client of STS, and moto.
#![allow(clippy::panic, clippy::unwrap_used, clippy::large_futures, reason = "these are the parts of tests")]

use aws_sdk_sts::config::{self, BehaviorVersion, Region};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    BoxError, ServiceBuilderExt,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Attached, Authenticated, AwsCredentials, Carry, Proves, WithCredentials, WithRole},
    role::Roles,
    sts::{CredentialCache, Hop, Session, SessionTag, SessionValue, StaticKeys, Sts},
};
use countersign_tests::{peers, process::Counterpart};
use http::Request;
use secrecy::ExposeSecret;
use tokio::process::Command;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const ROLE: &str = "arn:aws:iam::123456789012:role/McpUser";
const PARTNER: &str = "arn:aws:iam::210987654321:role/Partner";

#[tokio::test]
async fn moto_gives_credentials_that_it_takes_back() {
    let mut moto = Counterpart::start(
        Command::new(peers::python("moto"))
            .arg("-I")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/moto.py")),
    );
    let url = moto.wait_for("moto is at ").await;
    let cache = CredentialCache::new(Sts::builder("us-east-1").with_endpoint(&url).build().unwrap());
    let keys = || StaticKeys::new("AKIAIOSFODNN7EXAMPLE", "x".repeat(40).into());
    let hop = Hop::to(PARTNER.parse().unwrap())
        .with_external_id("4c11a3e8")
        .with_tag(SessionTag::new("Team", "data"))
        .with_source_identity(SessionValue::session_name());
    for (session, arn) in [
        (Session::caller(), "arn:aws:sts::123456789012:assumed-role/McpUser/alice"),
        (Session::brokered(keys()), "arn:aws:sts::123456789012:assumed-role/McpUser/alice"),
        (Session::caller().then(hop.clone()), "arn:aws:sts::210987654321:assumed-role/Partner/alice"),
        (Session::brokered(keys()).then(hop), "arn:aws:sts::210987654321:assumed-role/Partner/alice"),
    ] {
        let roles = Roles::builder().with_fallback(ROLE.parse().unwrap()).build().unwrap();
        let stack = ServiceBuilder::new()
            .select_role(roles)
            .assume_role(&cache, session.build().unwrap())
            .service(service_fn(credentials));
        let request = alice().await.attach(Request::new(())).unwrap();
        let credentials = stack.oneshot(request).await.unwrap();
        assert_eq!(who_is(&url, &credentials).await, arn);
    }
    assert_eq!(cache.entries(), 4);
}

async fn credentials(
    request: Request<Carry<WithCredentials<WithRole<Attached>>, ()>>,
) -> Result<AwsCredentials, BoxError> {
    let credentials: &AwsCredentials = request.body().proof().fact();
    Ok(credentials.clone())
}

async fn alice() -> Authenticated {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://login.example.com","sub":"alice"}"#);
    let identity = TrustedIdentity::new("https://login.example.com", "alice")
        .with_claims([("sub".to_owned(), "alice".into())])
        .with_token(format!("{header}.{payload}.c2ln").into());
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().into_parts().0)
    });
    ServiceBuilder::new()
        .layer(TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone())))
        .service(proof)
        .oneshot(Request::new(()))
        .await
        .unwrap()
}

async fn who_is(url: &str, credentials: &AwsCredentials) -> String {
    let keys = config::Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key().expose_secret(),
        credentials.session_token().map(|token| token.expose_secret().to_owned()),
        None,
        "issued",
    );
    let config = config::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(keys)
        .build();
    let answer = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await.unwrap();
    answer.arn().unwrap().to_owned()
}
