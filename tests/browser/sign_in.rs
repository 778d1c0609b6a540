//! The sign-in page of the OpenID provider double.

use crate::harness::visit;
use axum::{Router, response::Html, routing::get};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::{Client, Idp},
};
use countersign_tests::client::{Plain, encode};
use std::collections::HashMap;
use url::Url;

const BACK: &str = r#"<!doctype html>
<title>Back</title>
<link rel="icon" href="data:,">
<p>You are back</p>"#;

/// The pair that RFC 7636 gives as its example.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn a_person_signs_in_with_the_keyboard_alone() {
    let app = Server::start(Router::new().route("/callback", get(async || Html(BACK)))).await;
    let callback = format!("{}/callback", app.url());
    let idp = Idp::start(Clock::default()).await;
    idp.register(Client::public("app").redirect_to(&callback));
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", &callback),
        ("scope", "openid"),
        ("state", "remember me"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);

    let visit = visit("sign_in", &format!("{}?{query}", idp.url("/authorize"))).await;

    let came_back_to = visit.answer.get("came_back_to").and_then(|url| url.as_str()).unwrap();
    let came_back_to = Url::parse(came_back_to).unwrap();
    let sent: HashMap<_, _> = came_back_to.query_pairs().into_owned().collect();
    assert_eq!(sent.get("state").map(String::as_str), Some("remember me"));
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("redirect_uri", &callback),
        ("code", sent.get("code").unwrap()),
        ("code_verifier", VERIFIER),
    ];
    let answer = Plain::default().post_form(&idp.url("/token"), &form).await;
    let tokens = answer.json();
    let access_token = tokens.get("access_token").and_then(|token| token.as_str());
    let access_token = access_token.unwrap_or_else(|| panic!("no token: {}", answer.text()));
    let person = Plain::default().fetch_as(&idp.url("/userinfo"), access_token).await.json();
    assert_eq!(person.get("sub").and_then(|sub| sub.as_str()), Some("bob"));
    assert_eq!(visit.complaints, [""; 0]);
    assert_eq!(visit.strays(), [""; 0]);
    assert!(visit.shows_something(), "{} is no picture", visit.picture.display());
}
