//! What goes well.

use super::{Behaviour, Browser, House, LOCAL, Plain, SITE, claims};
use countersign_fixtures::idp::Person;
use http::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn a_person_signs_in_where_they_always_do_and_a_client_gets_tokens_that_are_good_here() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    for part in ["An inspector", "client.example", "Continue to The Corporation", "mcp"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let offer = browser.decide(&page, "yes").await;
    assert!(offer.text.contains("Connect your account at github, too?"), "{offer:?}");
    let back = browser.decide(&offer, "no").await;
    assert!(back.url.as_str().starts_with(SITE), "{back:?}");
    assert_eq!((back.told("state"), back.told("iss")), ("the client's".into(), house.issuer.clone()));

    let tokens = house.redeem(&app, &back.told("code")).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text());
    let tokens = tokens.json();
    let said = claims(&tokens["access_token"]);
    assert_eq!(said["iss"], house.issuer.as_str());
    assert_eq!(said["aud"], house.at("/mcp"));
    assert_eq!(
        (&said["groups"], &said["email"]),
        (&json!(["admins", "engineering"]), &json!("alice@example.com"))
    );
    assert_eq!((&said["scope"], &said["client_id"]), (&json!("mcp"), &json!(app.id)));
    assert_ne!(said["sub"], "alice", "with two upstreams nobody is called what one of them says");

    // The account was not connected, and a good token stays one.
    let told = house.call(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(told["result"]["isError"], true, "{told}");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &app.id),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let next = Plain::default().post_form(&house.at("/oauth/token"), &form).await.json();
    assert_eq!(claims(&next["access_token"])["sub"], said["sub"]);
}

#[tokio::test]
async fn an_account_that_is_connected_on_the_way_is_used_and_not_offered_again() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    let offer = browser.decide(&page, "yes").await;
    let back = browser.decide(&offer, "yes").await;
    let tokens = house.redeem(&app, &back.told("code")).await.json();
    let answer = house.call(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let seen = house.tap.bytes();
    let seen = String::from_utf8_lossy(&seen);
    assert!(
        !seen.contains(tokens["access_token"].as_str().unwrap()),
        "the backend saw the caller's own token"
    );

    // Consent and account are there: nothing is asked again.
    let again = browser.open(&house.asking(&app, &[])).await;
    assert!(again.may_tell("code").is_some(), "{again:?}");
    // Another browser, and somebody else in this one, are asked.
    assert!(Browser::default().open(&house.asking(&app, &[])).await.is_question());
    house.everybody_is("bob");
    let asked = browser.open(&house.asking(&app, &[])).await;
    assert!(asked.is_question() && asked.text.contains("Allow"), "{asked:?}");
    let offer = browser.decide(&asked, "yes").await;
    assert!(offer.text.contains("too?"), "bob connected nothing: {offer:?}");
}

#[tokio::test]
async fn a_program_on_the_persons_machine_is_asked_about_every_time() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(LOCAL).await, Browser::default());
    for _ in 0..2 {
        let page = browser.open(&house.asking(&app, &[])).await;
        assert!(page.is_question() && page.text.contains("a program on this computer"), "{page:?}");
        let offer = browser.decide(&page, "yes").await;
        assert!(browser.decide(&offer, "no").await.may_tell("code").is_some());
    }
}

#[tokio::test]
async fn every_upstream_that_is_needed_is_visited() {
    let house = House::with("claims: [name]").await;
    house.corp.script(Behaviour::SignIn("alice".into()));
    house.github.add_person(Person::new("octo"));
    house.github.script(Behaviour::SignIn("octo".into()));
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    let back = browser.decide(&page, "yes").await;
    let tokens = house.redeem(&app, &back.told("code")).await.json();
    let said = claims(&tokens["access_token"]);
    assert_eq!(
        (&said["email"], &said["name"]),
        (&json!("alice@example.com"), &json!("Octo")),
        "each said its part"
    );
    assert_eq!(house.call(tokens["access_token"].as_str().unwrap()).await["result"]["isError"], false);
}

#[tokio::test]
async fn what_was_refused_is_told_to_the_client() {
    let house = House::with("claims: [name]").await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let page = browser.open(&house.asking(&app, &[])).await;
    let back = browser.decide(&page, "no").await;
    let told = |back: &super::Page| (back.told("error"), back.told("state"), back.told("iss"));
    assert_eq!(told(&back), ("access_denied".into(), "the client's".into(), house.issuer.clone()));
    assert!(browser.decide(&page, "yes").await.text.contains("is over"), "no is no");

    house.corp.script(Behaviour::Deny);
    let page = browser.open(&house.asking(&app, &[])).await;
    assert_eq!(told(&browser.decide(&page, "yes").await).0, "access_denied");
    // A later one that is needed, too.
    house.corp.script(Behaviour::SignIn("alice".into()));
    house.github.script(Behaviour::Deny);
    let page = browser.open(&house.asking(&app, &[])).await;
    assert_eq!(told(&browser.decide(&page, "yes").await).0, "access_denied");
}

#[tokio::test]
async fn clients_find_the_way_by_themselves() {
    let house = House::new().await;
    let http = Plain::default();
    let refused = http.fetch(&house.at("/mcp")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let (_, rest) = refused.header("www-authenticate").split_once("resource_metadata=\"").unwrap();
    let resource = http.fetch(rest.split_once('"').unwrap().0).await.json();
    assert_eq!(resource["authorization_servers"], json!([house.issuer]));
    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-authorization-server{path}");
        let described: Value = http.fetch(&house.at(&path)).await.json();
        assert_eq!(described["issuer"], house.issuer.as_str());
        assert_eq!(described["code_challenge_methods_supported"], json!(["S256"]));
    }
    // Also from a page of any origin, which sends no cookie.
    let request = http::Request::get(house.at("/.well-known/oauth-authorization-server"));
    let request = request.header("origin", "https://inspector.example").body(Default::default()).unwrap();
    let answer = http.send(request).await.unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, "*"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}
