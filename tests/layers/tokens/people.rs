//! People who connect an account at a provider.

use countersign::token_endpoint::{ClientAuthentication, TokenEndpoint};
use countersign::tokens::{Account, Connection, OAuthRefresh};
use countersign_fixtures::idp::{AuthMethod, Behaviour, Client, Idp};
use countersign_tests::client::{Plain, encode};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use url::Url;

const BACK: &str = "http://127.0.0.1:4711/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SECRET: &str = "of-the-gateway";

/// What the gateway is called at every provider.
pub(super) const CLIENT: &str = "gateway";

/// Whose token a lookup is about: the one that our own issuer's tokens name.
pub(super) fn account(issuer: &Idp, subject: &str, provider: &str) -> Account {
    Account::new(issuer.issuer(), subject, None, provider)
}

pub(super) fn introduce_ourselves(provider: &Idp) {
    let client = Client::confidential(CLIENT, SECRET, AuthMethod::ClientSecretPost);
    provider.register(client.redirect_to("http://127.0.0.1/callback"));
}

pub(super) fn endpoint(provider: &Idp) -> TokenEndpoint {
    TokenEndpoint::new(provider.url("/token"), ClientAuthentication::post(CLIENT, SECRET.into()))
}

pub(super) fn refresh(provider: &Idp, name: &str) -> OAuthRefresh {
    let clock: Arc<dyn countersign::clock::Clock> = Arc::new(crate::world::Shared(provider.clock().clone()));
    OAuthRefresh::with_clock([(name, endpoint(provider))], &clock).unwrap()
}

/// `subject` signs in at `provider`, and what that gives is a connection.
pub(super) async fn connect(provider: &Idp, subject: &str) -> Connection {
    let tokens = sign_in(provider, subject).await;
    let now = provider.clock().now();
    let hour = now + Duration::from_secs(tokens["expires_in"].as_u64().unwrap());
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let claims = claims(&text("id_token"));
    Connection::new(text("access_token").into(), now)
        .with_expires(hour)
        .with_refresh_token(text("refresh_token").into())
        .with_id_token(text("id_token").into(), Some(hour))
        .with_claims(claims.as_object().unwrap().clone())
}

async fn sign_in(provider: &Idp, subject: &str) -> Value {
    introduce_ourselves(provider);
    provider.script(Behaviour::SignIn(subject.into()));
    let http = Plain::default();
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let back = http.fetch(&provider.url(&format!("/authorize?{query}"))).await;
    let back = Url::parse(back.header("location")).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ]);
    let request = Request::post(provider.url("/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form))
        .unwrap();
    let answer = http.send(request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// What a JWT says.
pub(super) fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
