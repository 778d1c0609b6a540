//! Accounts that are connected later, by a link that a call was answered with.

use super::{Browser, House, SITE};
use http::StatusCode;
use serde_json::Value;

/// The link in an answer, as a person without pages reads it.
fn link(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let (_, rest) = text.split_once("Connect it at ").unwrap();
    rest.split_once(' ').unwrap().0.to_owned()
}

#[tokio::test]
async fn the_person_it_was_made_for_connects_the_account_and_the_call_goes_through() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (app, mut browser) = (house.register(SITE).await, Browser::default());
    let tokens = house.signed_in(&app, &mut browser).await;
    let token = tokens["access_token"].as_str().unwrap();
    let link = link(&house.call(token).await);

    let page = browser.open(&link).await;
    assert!(page.text.contains("Connect your account at github?") && page.text.contains("The Corporation"));
    let done = browser.decide(&page, "yes").await;
    assert!(done.text.contains("Your account at github is connected"), "{done:?}");
    assert_eq!(house.call(token).await["result"]["isError"], false);

    // It may be used again, and leaves things as they are when the person says no.
    let page = browser.open(&link).await;
    assert!(browser.decide(&page, "no").await.text.contains("was not connected"));
    assert_eq!(house.call(token).await["result"]["isError"], false);
}

#[tokio::test]
async fn somebody_elses_link_connects_nothing() {
    let house = House::new().await;
    house.everybody_is("alice");
    let app = house.register(SITE).await;
    let tokens = house.signed_in(&app, &mut Browser::default()).await;
    let token = tokens["access_token"].as_str().unwrap();
    let link = link(&house.call(token).await);

    // Bob is lured to it: otherwise his account would work for alice.
    house.everybody_is("bob");
    let mut lured = Browser::default();
    let page = lured.open(&link).await;
    let stopped = lured.decide(&page, "yes").await;
    assert_eq!(stopped.status, StatusCode::BAD_REQUEST);
    assert!(stopped.text.contains("This link was made for somebody else"), "{stopped:?}");
    assert_eq!(house.call(token).await["result"]["isError"], true);
    assert_eq!(house.github.hits("/authorize"), 0, "bob never got there");
}

#[tokio::test]
async fn a_link_that_is_none_is_told() {
    let house = House::new().await;
    for link in [
        house.at("/oauth/connect/github"),
        house.at("/oauth/connect/github?ticket="),
        house.at("/oauth/connect/github?ticket=AAAA"),
        house.at("/oauth/connect/nobody?ticket=AAAA"),
        house.at("/oauth/connect/github?ticket=a&ticket=b"),
    ] {
        let page = Browser::default().open(&link).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{link}");
        assert!(!page.is_question(), "{page:?}");
    }
}
