//! People who connect an account at a provider.

use countersign::token_endpoint::{ClientAuthentication, TokenEndpoint};
use countersign::tokens::{Account, Connection, OAuthRefresh};
use countersign_fixtures::idp::Idp;
use countersign_tests::account;
pub(super) use countersign_tests::account::CLIENT;
use countersign_tests::account::SECRET;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Whose token a lookup is about: the one that our own issuer's tokens name.
pub(super) fn account(issuer: &Idp, subject: &str, provider: &str) -> Account {
    Account::new(issuer.issuer(), subject, None, provider)
}

pub(super) fn introduce_ourselves(provider: &Idp) {
    account::introduce(provider);
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
    let tokens = account::sign_in(provider, subject).await;
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

/// What a JWT says.
pub(super) fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
