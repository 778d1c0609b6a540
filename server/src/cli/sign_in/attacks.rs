//! What must not go well.

use super::{Behaviour, Browser, House, LOCAL, Plain, SITE, VERIFIER, claims, encode};
use crate::issuer::Whose;
use countersign_fixtures::fault::Fault;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use std::time::{Duration, Instant};

/// As far as a provider's answer, which is not followed.
async fn up_to_the_callback(house: &House, browser: &mut Browser) -> String {
    let app = house.register(SITE).await;
    let page = browser.open(&house.asking(&app, &[])).await;
    let onward = browser.decide_only(&page, "yes").await;
    browser.open_until(&onward, &house.at("/oauth/callback")).await.into()
}

#[tokio::test]
async fn a_sign_in_that_began_in_one_browser_does_not_end_in_another() {
    let house = House::new().await;
    house.everybody_is("alice");
    let mut attackers = Browser::default();
    let callback = up_to_the_callback(&house, &mut attackers).await;
    // The victim's browser may have been here before, or not.
    let mut victims = Browser::default();
    let app = house.register(SITE).await;
    victims.open(&house.asking(&app, &[])).await;
    for browser in [&mut victims, &mut Browser::default()] {
        let page = browser.open(&callback).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.text.contains("began in another browser"), "{page:?}");
    }
    assert!(attackers.open(&callback).await.is_question(), "and nothing of it was spent");
}

#[tokio::test]
async fn a_providers_answer_is_good_once() {
    let house = House::new().await;
    house.everybody_is("alice");
    let mut browser = Browser::default();
    let callback = up_to_the_callback(&house, &mut browser).await;
    assert!(browser.open(&callback).await.is_question());
    let again = browser.open(&callback).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "{again:?}");
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_believed() {
    let house = House::new().await;
    house.everybody_is("alice");
    for told in [Some("https://evil.example"), None] {
        let mut browser = Browser::default();
        let callback = up_to_the_callback(&house, &mut browser).await;
        let mut url = url::Url::parse(&callback).unwrap();
        let kept: Vec<(String, String)> =
            url.query_pairs().into_owned().filter(|(name, _)| name != "iss").collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(told.map(|told| ("iss", told)));
        let page = browser.open(url.as_str()).await;
        assert_eq!(page.told("error"), "server_error", "{told:?} {page:?}");
    }
}

#[tokio::test]
async fn nobody_decides_for_a_person() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    let form = encode(&[("journey", &page.journey()), ("decision", "yes")]);
    let send = async |headers: &[(&str, &str)], form: &str| {
        let request = Request::post(house.at("/oauth/decide"))
            .header("content-type", "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Plain::default().send(request.body(Full::from(form.to_owned())).unwrap()).await.unwrap()
    };
    // Another site that learnt the journey, without the cookie; with one of its own; as itself.
    let guessed = format!("countersign={}", "a".repeat(43));
    assert_eq!(send(&[], &form).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(send(&[("cookie", &guessed)], &form).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(send(&[("origin", "https://evil.example")], &form).await.status, StatusCode::FORBIDDEN);
    for form in ["", "journey=x&decision=yes", "decision=yes", "journey=a&journey=b&decision=yes"] {
        assert_eq!(send(&[], form).await.status, StatusCode::BAD_REQUEST, "{form}");
    }
    assert_eq!(
        send(&[], &format!("journey={}", "x".repeat(5_000))).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(house.corp.hits("/authorize"), 0);
    assert!(browser.decide(&page, "yes").await.is_question(), "the person still can");
}

#[tokio::test]
async fn whoever_registers_themselves_gets_nothing_without_a_persons_word() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    house.signed_in(&app, &mut browser).await;
    // Signed in at the provider, and having agreed to another client, alice is lured to the attacker's.
    let evil = house.register("https://evil.example/callback").await;
    let page = browser.open(&house.asking(&evil, &[])).await;
    assert!(page.is_question() && page.text.contains("evil.example"), "{page:?}");
    assert!(page.text.contains("Nobody has checked this name"));
    // Nor with the address of the one she trusts.
    let borrowed = super::App { id: evil.id, redirect: SITE };
    let page = browser.open(&house.asking(&borrowed, &[])).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{page:?}");
    assert!(page.text.contains("none that the client registered"));
}

#[tokio::test]
async fn whoever_registers_themselves_sends_nobody_anywhere_by_a_mistake() {
    let house = House::new().await;
    house.everybody_is("alice");
    let evil = house.register("https://evil.example/callback").await;
    let mistakes = [("scope", "everything"), ("resource", "https://elsewhere.example/mcp")];
    let (mut browser, nowhere) = (Browser::default(), house.at("/oauth/authorize"));
    for mistake in mistakes {
        let page = browser.open(&house.asking(&evil, &[mistake])).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{page:?}");
        assert!(page.url.as_str().starts_with(&nowhere) && !page.is_question(), "{page:?}");
        // A link that says where it leads, for whoever meant to go there.
        assert!(page.text.contains("Go to evil.example"), "{page:?}");
        assert!(page.text.contains("href=\"https://evil.example/callback?error=invalid_"), "{page:?}");
    }
    // Whoever agreed to go back there once goes there, in that browser, and to that address alone.
    let app = house.register(SITE).await;
    assert!(browser.open(&house.asking(&app, &mistakes[..1])).await.may_tell("error").is_none());
    house.signed_in(&app, &mut browser).await;
    let back = browser.open(&house.asking(&app, &mistakes[..1])).await;
    assert_eq!((back.told("error"), back.told("state")), ("invalid_scope".into(), "the client's".into()));
    let others = Browser::default().open(&house.asking(&app, &mistakes[..1])).await;
    assert_eq!(others.status, StatusCode::BAD_REQUEST);
    // A program of the person's own machine is asked for each time, and so is this.
    let local = house.register(LOCAL).await;
    house.signed_in(&local, &mut browser).await;
    let page = browser.open(&house.asking(&local, &mistakes[..1])).await;
    assert!(page.text.contains("a program on this computer"), "{page:?}");
    // What somebody was ended for is not known any more.
    house.revocations.revoke(Whose::Everybodys).await.unwrap();
    assert_eq!(browser.open(&house.asking(&app, &mistakes[..1])).await.status, StatusCode::BAD_REQUEST);
    assert!(browser.open(&house.asking(&app, &[])).await.is_question(), "and is asked for again");
}

#[tokio::test]
async fn a_code_shown_twice_ends_what_came_of_it_and_so_does_a_refresh_token() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(LOCAL).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    let offer = browser.decide(&page, "yes").await;
    let code = browser.decide(&offer, "no").await.told("code");
    let first = house.redeem(&app, &code).await.json();
    let second = house.redeem(&app, &code).await;
    assert_eq!((second.status, &second.json()["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let refresh = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("client_id", &app.id), ("refresh_token", token)];
        Plain::default().post_form(&house.at("/oauth/token"), &form).await
    };
    assert_eq!(refresh(first["refresh_token"].as_str().unwrap()).await.status, StatusCode::BAD_REQUEST);

    let tokens = house.signed_in(&app, &mut browser).await;
    let one = tokens["refresh_token"].as_str().unwrap();
    let two = refresh(one).await.json();
    assert_eq!(refresh(one).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(two["refresh_token"].as_str().unwrap()).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_without_its_verifier_is_nothing() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let downgraded =
        house.asking(&app, &[]).replace("code_challenge_method=S256", "code_challenge_method=plain");
    let page = browser.open(&downgraded).await;
    assert!(page.may_tell("code").is_none() && page.text.contains("has to be S256"), "{page:?}");
    for verifier in [None, Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("")] {
        let page = browser.open(&house.asking(&app, &[])).await;
        let page = if page.is_question() { browser.decide(&page, "yes").await } else { page };
        let page = if page.is_question() { browser.decide(&page, "no").await } else { page };
        let code = page.told("code");
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", app.id.as_str()),
            ("code", &code),
            ("redirect_uri", app.redirect),
        ];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let answer = Plain::default().post_form(&house.at("/oauth/token"), &form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{verifier:?} {VERIFIER}");
    }
}

#[tokio::test]
async fn a_token_for_something_else_is_none_here() {
    let house = House::new().await;
    house.everybody_is("alice");
    let app = house.register(SITE).await;
    let tokens = house.signed_in(&app, &mut Browser::default()).await;
    let good = tokens["access_token"].as_str().unwrap();
    assert!(house.call(good).await.get("result").is_some());
    // What the person's own provider gave, an ID token in place of an access token, one with a bit changed.
    let audience = house.at("/mcp");
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    for foreign in [
        house.corp.mint("alice").audience(&audience).token(),
        house.corp.mint("alice").audience("gateway").token(),
        format!("{head}.{body}.{}", signature.chars().rev().collect::<String>()),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{body}."),
    ] {
        assert_eq!(house.call(&foreign).await, json!({"status": 401}));
    }
    assert_eq!(claims(&tokens["access_token"])["aud"], audience);
    let elsewhere = house.asking(&app, &[("resource", "https://elsewhere.example/mcp")]);
    let page = Browser::default().open(&elsewhere).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains("none that tokens are given for"));
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_else_from_anything() {
    let house = House::new().await;
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    house.everybody_is("alice");
    let page = browser.open(&house.asking(&app, &[])).await;
    // It never describes itself.
    house.corp.faults().add("/.well-known/openid-configuration", Fault::Status(503), None);
    let back = browser.decide(&page, "yes").await;
    assert_eq!(back.told("error"), "temporarily_unavailable", "{back:?}");
    house.corp.faults().clear();
    // The same page, once it is back, and nobody hears any more that it was down a moment ago.
    let begun = Instant::now();
    while !browser.decide(&page, "yes").await.is_question() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still said to be down");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_leaves_nothing() {
    let house = House::new().await;
    let app = house.register(SITE).await;
    let long = "x".repeat(17 * 1024);
    let page = Browser::default().open(&house.asking(&app, &[("state", &long)])).await;
    assert_eq!(page.status, StatusCode::URI_TOO_LONG);
    let large = json!({"redirect_uris": [SITE], "client_name": "x".repeat(70 * 1024)});
    let answer = Plain::default().post_json(&house.at("/oauth/register"), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    house.corp.script(Behaviour::Never);
}
