//! `countersign revoke` from beside: whose sign-in it ends is out at both gateways before they notice.

use super::signed_in;
use crate::{
    gateway::{LEGACY, message},
    signing_in::{Account, App, House, Keeping},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign_tests::{
    client::{Answer, Plain},
    person::Person,
};
use futures_util::future::join_all;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What is promised. What a gateway accepts counts by when it was sent: an answer may take its time on a busy machine.
const AT_MOST: Duration = Duration::from_secs(1);
const ROLE_TOOL: &str = "warehouse__whoami";
const FORGE_TOOL: &str = "notes__test_simple_text";
const EXCHANGE: &str = "AssumeRoleWithWebIdentity";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_revoked_is_out_at_both_gateways_within_a_second() {
    let (redis, _kept) = House::redis().await;
    let house = House::with_forge(Keeping::In(&redis)).await;
    let _gateways = house.gateways().await;
    let apps = [house.register("none").await, house.register("none").await];
    let alice = signed_in(&house, &apps[0], &mut Person::called("alice")).await;
    let bob = signed_in(&house, &apps[0], &mut Person::called("bob")).await;
    let carol = signed_in(&house, &apps[1], &mut Person::called("carol")).await;
    for account in [&alice, &bob, &carol] {
        for _ in 0..2 {
            assert_in(&house, account, &[ROLE_TOOL, FORGE_TOOL]).await;
        }
    }
    assert_eq!(
        house.world.sts.calls(EXCHANGE),
        6,
        "each gateway has each person's credentials, and keeps them"
    );

    // A person.
    let subject = claim(&alice.access, "sub");
    let said = revoke(&house, "a person", &["--subject", &subject], &alice).await;
    assert_eq!(said, "ended: 1 sign-ins, 0 codes, 2 connected accounts\n");
    assert_out(&house, &apps[0], &alice, 400).await;
    assert_in(&house, &bob, &[ROLE_TOOL, FORGE_TOOL]).await;
    assert_eq!(house.world.sts.calls(EXCHANGE), 6, "nobody else's credentials are forgotten");
    // Whoever signs in again is in again, with credentials that are new at both, and without the account.
    let again = in_again(&house, &apps[0], "alice").await;
    for server in [house.straight(0), house.straight(1)] {
        let answer = message(&house.call(&server, &again.access, ROLE_TOOL).await);
        assert_eq!(
            answer["result"]["structuredContent"]["role"],
            countersign_fixtures::world::ADMIN,
            "{answer}"
        );
        let answer = message(&house.call(&server, &again.access, FORGE_TOOL).await);
        assert_ne!(answer["result"]["isError"], false, "{answer}");
        assert!(answer.to_string().contains("connect"), "{answer}");
    }
    assert_eq!(house.world.sts.calls(EXCHANGE), 8);

    // A client, whoever came with it.
    revoke(&house, "a client", &["--client", &apps[0].id], &bob).await;
    for account in [&bob, &again] {
        assert_out(&house, &apps[0], account, 401).await;
    }
    assert_in(&house, &carol, &[FORGE_TOOL, ROLE_TOOL]).await;
    assert_eq!(
        house.world.sts.calls(EXCHANGE),
        10,
        "who came with it is not known: everybody is looked up again"
    );

    // Everybody.
    revoke(&house, "everybody", &["--all"], &carol).await;
    assert_out(&house, &apps[1], &carol, 400).await;
    let again = in_again(&house, &apps[1], "carol").await;
    assert_in(&house, &again, &[ROLE_TOOL]).await;
    assert_eq!(house.world.sts.calls(EXCHANGE), 12);
}

/// Runs the command while somebody calls tools and listens at both gateways; what it says.
async fn revoke(house: &House, what: &str, whose: &[&str], theirs: &Account) -> String {
    let servers = [house.straight(0), house.straight(1)];
    let listening = join_all(servers.iter().map(|server| listen(server, &theirs.access))).await;
    let begun: Vec<_> = servers.iter().map(|_| watch::Sender::new(false)).collect();
    let calling =
        servers.iter().zip(&begun).map(|(server, begun)| call_on(house, server, &theirs.access, begun));
    let revoking = async {
        for begun in &begun {
            begun.subscribe().wait_for(|begun| *begun).await.unwrap();
        }
        let said = house.run("revoke", whose).await;
        (said, Instant::now())
    };
    let ending = join_all(listening.into_iter().map(async |stream| (stream.await.unwrap(), Instant::now())));
    let (accepted, ended, (said, told)) = tokio::join!(join_all(calling), ending, revoking);
    for (which, (last, (stream, ended))) in accepted.into_iter().zip(ended).enumerate() {
        let after = |at: Instant| at.saturating_duration_since(told);
        let when = |at: Instant| match told.checked_duration_since(at) {
            Some(before) => format!("{before:?} before"),
            None => format!("{:?} after", after(at)),
        };
        println!(
            "{what}: the command's end; at gateway {which} the last good call {}, the end of the stream {}",
            when(last),
            when(ended)
        );
        assert!(after(last) < AT_MOST && after(ended) < AT_MOST, "{what}: gateway {which} was too slow");
        assert_eq!(stream.status, 200);
    }
    said
}

/// Calls until that is refused; when the last call was sent that was not.
async fn call_on(house: &House, server: &str, token: &str, begun: &watch::Sender<bool>) -> Instant {
    let mut last = Instant::now();
    loop {
        let sent = Instant::now();
        // No exchange at AWS is under way when credentials are forgotten, so that those can be counted.
        let answer = house.call(server, token, FORGE_TOOL).await;
        if answer.status == 401 {
            return last;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        last = sent;
        begun.send_replace(true);
    }
}

/// Opens a session, and what comes in it; whole, once that has ended.
async fn listen(
    server: &str,
    token: &str,
) -> impl Future<Output = Result<Answer, Box<dyn std::error::Error + Send + Sync>>> + use<> {
    let http = Plain::default();
    let request = |method: Method, session: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{server}/mcp"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        let request = match session {
            "" => request,
            session => request.header("mcp-session-id", session).header("mcp-protocol-version", LEGACY),
        };
        request.body(Full::new(Bytes::from(body))).unwrap()
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    let answer = http.send(request(Method::POST, "", &hello)).await.unwrap();
    let session = answer.header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{}", answer.text());
    let stream = request(Method::GET, &session, &Value::Null);
    async move { http.send(stream).await }
}

async fn assert_in(house: &House, account: &Account, tools: &[&str]) {
    for server in [house.straight(0), house.straight(1)] {
        for tool in tools {
            let answer = message(&house.call(&server, &account.access, tool).await);
            assert_eq!(answer["result"]["isError"], false, "{tool}: {answer}");
        }
    }
}

/// Nothing that they have is good at either; whoever tries to renew it is told so with `status`.
async fn assert_out(house: &House, app: &App, account: &Account, status: u16) {
    let refresh = account.last.as_ref().unwrap();
    for server in [house.straight(0), house.straight(1)] {
        assert_eq!(house.call(&server, &account.access, ROLE_TOOL).await.status, 401);
        assert_eq!(app.refresh(&server, refresh).await.unwrap().status, status);
        for token in [&account.access, refresh] {
            assert_eq!(house.introspect(&server, token).await["active"], false);
        }
    }
}

/// Signs in, and connects no account. A token of the very second of a revocation is none.
async fn in_again(house: &House, app: &App, who: &str) -> Account {
    let begun = Instant::now();
    loop {
        let account = signed_in(house, app, &mut Person::called(who).sparing()).await;
        if house.introspect(&house.issuer, &account.access).await["active"] == true {
            return account;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{who} is not let in any more");
    }
}

/// What a token says.
fn claim(token: &str, name: &str) -> String {
    let part = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&part).unwrap();
    claims[name].as_str().unwrap().to_owned()
}
