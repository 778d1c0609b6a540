//! Sign-ins that were ended before their time.

use super::{Browser, Clock, House, LOCAL, Plain, SITE, claims, introduce_at, serve};
use crate::{
    cli::{Arguments, Command, Failure, gateway::Gateway},
    config,
    issuer::Whose,
    store::{Kind, Store},
};
use clap::Parser;
use countersign_fixtures::idp::{Behaviour, Idp};
use countersign_tests::account::SECRET;
use http::StatusCode;
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// What is said to a token that is good no more.
const REFUSED: u64 = 401;

async fn refresh(house: &House, app: &super::App, tokens: &Value) -> StatusCode {
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", &app.id), ("refresh_token", token)];
    Plain::default().post_form(&house.at("/oauth/token"), &form).await.status
}

/// Until the answer is as `expected`, or a second has gone by.
async fn soon(expected: impl Fn(&Value) -> bool, ask: impl AsyncFn() -> Value) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        if expected(&answer) || begun.elapsed() > Duration::from_secs(1) {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_person_is_out_everywhere_within_a_second_and_nobody_else_is() {
    let mut house = House::new().await;
    let (app, other) = (house.register(LOCAL).await, house.replica().await);
    house.everybody_is("alice");
    let mut browser = Browser::default();
    let page = browser.open(&house.asking(&app, &[])).await;
    let offer = browser.decide(&page, "yes").await;
    let back = browser.decide(&offer, "yes").await;
    let alice = house.redeem(&app, &back.told("code")).await.json();
    house.everybody_is("bob");
    let bob = house.signed_in(&app, &mut Browser::default()).await;
    let (hers, his) = (alice["access_token"].as_str().unwrap(), bob["access_token"].as_str().unwrap());
    for server in [&house.issuer, &other] {
        assert_eq!(house.call_at(server, hers).await["result"]["isError"], false);
    }

    let subject = claims(&alice["access_token"])["sub"].as_str().unwrap().to_owned();
    let ended = house.revocations.revoke(Whose::Person(subject)).await.unwrap();
    assert_eq!((ended.sign_ins, ended.accounts), (1, 2));
    for server in [&house.issuer, &other] {
        let answer =
            soon(|answer| answer["status"] == REFUSED, async || house.call_at(server, hers).await).await;
        assert_eq!(answer, json!({"status": REFUSED}));
        assert!(house.call_at(server, his).await.get("result").is_some());
    }
    assert_eq!(refresh(&house, &app, &alice).await, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&house, &app, &bob).await, StatusCode::OK);

    // A server that starts later knows it as well.
    let third = house.replica().await;
    let answer = soon(|answer| answer["status"] == REFUSED, async || house.call_at(&third, hers).await).await;
    assert_eq!(answer, json!({"status": REFUSED}));

    // Who signs in again is in again, and has to connect the account again.
    house.everybody_is("alice");
    let begun = Instant::now();
    loop {
        let again = house.signed_in(&app, &mut Browser::default()).await;
        let answer = house.call(again["access_token"].as_str().unwrap()).await;
        // A token of the very second in which that happened is none.
        if answer["result"]["isError"] == true {
            break;
        }
        assert!(answer["status"] == REFUSED && begun.elapsed() < Duration::from_secs(2), "{answer}");
    }
}

#[tokio::test]
async fn everything_of_a_client_ends_and_so_does_the_client() {
    let house = House::new().await;
    house.everybody_is("alice");
    let (bad, good) = (house.register(LOCAL).await, house.register(SITE).await);
    let theirs = house.signed_in(&bad, &mut Browser::default()).await;
    let others = house.signed_in(&good, &mut Browser::default()).await;
    house.revocations.revoke(Whose::Client(bad.id.clone())).await.unwrap();
    assert_eq!(house.call(theirs["access_token"].as_str().unwrap()).await, json!({"status": REFUSED}));
    assert_eq!(refresh(&house, &bad, &theirs).await, StatusCode::UNAUTHORIZED);
    assert!(house.call(others["access_token"].as_str().unwrap()).await.get("result").is_some());
    assert_eq!(Browser::default().open(&house.asking(&bad, &[])).await.status, StatusCode::BAD_REQUEST);

    house.revocations.revoke(Whose::Everybodys).await.unwrap();
    assert_eq!(house.call(others["access_token"].as_str().unwrap()).await, json!({"status": REFUSED}));
    assert_eq!(refresh(&house, &good, &others).await, StatusCode::BAD_REQUEST);
}

/// A code, or a refresh token, that is shown twice ends the sign-in that it is of; and so does a client that signs out.
#[tokio::test]
async fn access_tokens_end_with_the_sign_in_that_they_are_of_and_with_no_other() {
    let mut house = House::new().await;
    house.everybody_is("alice");
    let (app, other) = (house.register(SITE).await, house.replica().await);
    let kept = house.signed_in(&app, &mut Browser::default()).await;
    for how in ["code", "refresh token", "sign-out"] {
        let mut browser = Browser::default();
        let page = browser.open(&house.asking(&app, &[])).await;
        let mut page = browser.decide(&page, "yes").await;
        while page.is_question() {
            page = browser.decide(&page, "no").await;
        }
        let code = page.told("code");
        let tokens = house.redeem(&app, &code).await.json();
        let token = tokens["access_token"].as_str().unwrap();
        assert!(house.call_at(&other, token).await.get("result").is_some(), "{how}");
        match how {
            "code" => assert_eq!(house.redeem(&app, &code).await.status, StatusCode::BAD_REQUEST),
            "refresh token" => {
                assert_eq!(refresh(&house, &app, &tokens).await, StatusCode::OK);
                assert_eq!(refresh(&house, &app, &tokens).await, StatusCode::BAD_REQUEST);
            }
            _ => {
                let form = [("client_id", &*app.id), ("token", tokens["refresh_token"].as_str().unwrap())];
                let answer = Plain::default().post_form(&house.at("/oauth/revoke"), &form).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            }
        }
        for server in [&house.issuer, &other] {
            let answer =
                soon(|answer| answer["status"] == REFUSED, async || house.call_at(server, token).await).await;
            assert_eq!(answer, json!({"status": REFUSED}), "{how}");
            let still = house.call_at(server, kept["access_token"].as_str().unwrap()).await;
            assert!(
                still.get("result").is_some(),
                "{how}: another sign-in of the same person goes on: {still}"
            );
        }
    }
}

/// The command, as it is typed.
async fn typed(arguments: &[&str]) -> Result<(), Failure> {
    let arguments: Vec<String> = ["countersign"].iter().chain(arguments).map(ToString::to_string).collect();
    let command =
        tokio::task::spawn_blocking(move || match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Revoke(revoke) => revoke.run(),
            Command::Rotate(rotate) => rotate.run(),
            Command::Demo(_) | Command::Serve(_) | Command::Validate(_) => panic!("it is another command"),
        });
    command.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_whether_the_server_runs_or_not() {
    let (corp, folder) = (Idp::start(Clock::default()).await, tempdir().unwrap());
    introduce_at(&corp);
    corp.script(Behaviour::SignIn("alice".into()));
    let (path, secret, key) =
        (folder.path().join("gateway.yaml"), folder.path().join("secret"), folder.path().join("key"));
    fs::write(&secret, SECRET).unwrap();
    fs::write(&key, "07".repeat(32)).unwrap();
    let text = format!(
        "listen: 127.0.0.1:0\nstore: {{file: store.redb, key: file:key}}\n\
         backends: {{it: {{url: '{}/mcp', auth: none}}}}\n\
         authorization_server:\n  upstreams:\n    - name: corp\n      oidc: {{issuer: '{}', client_id: gateway, \
         client_secret: file:secret, client_authentication: post}}\n",
        corp.url(""),
        corp.issuer()
    );
    fs::write(&path, &text).unwrap();
    let path = path.display().to_string();
    let start = async || {
        let (config, _) = config::load(path.as_ref()).unwrap();
        let gateway = Gateway::bind(config).await.unwrap();
        (gateway.endpoint(), serve(gateway))
    };
    let (endpoint, serving) = start().await;
    // Nobody of that name was ever here, and the running server says so.
    typed(&["revoke", "-c", &path, "--subject", "alice"]).await.unwrap();
    let (told, _) = endpoint.rsplit_once('/').unwrap();
    assert_eq!(Plain::default().fetch(&format!("{told}/.well-known/jwks.json")).await.status, StatusCode::OK);
    // Other keys: published at once, and once.
    let keys = async || {
        let keys = Plain::default().fetch(&format!("{told}/.well-known/jwks.json")).await.json();
        keys["keys"].as_array().unwrap().len()
    };
    assert_eq!(keys().await, 1);
    for _ in 0..2 {
        typed(&["rotate", "-c", &path]).await.unwrap();
        assert_eq!(keys().await, 2);
    }
    serving.abort();
    let _ = serving.await;
    // What it was doing may hold the file for a moment longer.
    loop {
        let settings = config::load(path.as_ref()).unwrap().0.store.unwrap();
        match Store::described(settings).await {
            Ok(store) => break store.close().await,
            Err(error) => assert_eq!(error.kind(), Kind::InUse, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Without the server the address has to be known.
    let failure = typed(&["revoke", "-c", &path, "--all"]).await.unwrap_err().to_string();
    assert!(failure.contains("add `public_url:`"), "{failure}");
    fs::write(&path, format!("public_url: https://mcp.example.com\n{text}")).unwrap();
    typed(&["revoke", "-c", &path, "--all"]).await.unwrap();

    fs::write(&path, text.replace("{file: store.redb, key: file:key}", "{memory: true}")).unwrap();
    let failure = typed(&["revoke", "-c", &path, "--all"]).await.unwrap_err().to_string();
    assert!(failure.contains("in its own memory"), "{failure}");
    assert!(Arguments::try_parse_from(["countersign", "revoke", "-c", &path]).is_err(), "of whom?");
}
