//! Two servers on one Redis. `./tests/run --only peers` prepares it.

use super::{
    code::{Codes, Redeemed, Shown},
    testing::{Scene, VERIFIER, grant, issued, token_endpoint},
};
use crate::store::peers::server::{Server, connected};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet};

const MANY: usize = 1_000;
const TIMES: usize = 10;
/// How many of them at a time: whoever waits for a Redis in a crowd may give up before it is their turn.
const CROWD: usize = 1_000;

/// Clients that present each code ten times at once, here and there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_codes_is_redeemed_once_by_ten_thousand_redemptions() {
    // It is not killed here, and no disk makes ten thousand wait.
    let server = Server::start(&["--appendonly", "no"]).await;
    let settings = server.settings();
    let lifetime = Duration::from_secs(600);
    let codes =
        [connected(&settings).await, connected(&settings).await].map(|store| Codes::new(store, lifetime));
    let mut shown = Vec::new();
    for _ in 0..MANY {
        shown.push(codes[0].issue(issued()).await.unwrap());
    }
    let (codes, shown, turns) = (Arc::new(codes), Arc::new(shown), Arc::new(Semaphore::new(CROWD)));
    let mut redeeming = JoinSet::new();
    for turn in 0..MANY * TIMES {
        let (codes, shown, turns) = (codes.clone(), shown.clone(), turns.clone());
        redeeming.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let client = Shown {
                client: "client",
                redirect: Some("https://client.example/callback"),
                verifier: VERIFIER,
            };
            let code = turn / TIMES;
            match codes[turn % 2].redeem(&shown[code], &client).await.unwrap() {
                Redeemed::Granted(_) => Some(code),
                Redeemed::Again { .. } => None,
            }
        });
    }
    let mut granted: Vec<_> = redeeming.join_all().await.into_iter().flatten().collect();
    println!("{} of {} redemptions succeeded", granted.len(), MANY * TIMES);
    granted.sort_unstable();
    assert_eq!(granted, (0..MANY).collect::<Vec<_>>());
}

/// A refresh token that two servers are shown at once is spent once, and what came of it does not outlive that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_spent_no_other_takes() {
    let server = Server::start(&[]).await;
    let settings = server.settings();
    let scenes = [Scene::over(connected(&settings).await), Scene::over(connected(&settings).await)];
    let endpoints = [token_endpoint(&scenes[0]).await, token_endpoint(&scenes[1]).await];
    let token = endpoints[0].families.begin("family", &grant()).await.unwrap();
    let ask = async |which: usize, token: &str| -> Option<Value> {
        let body = format!("grant_type=refresh_token&client_id=client&refresh_token={token}");
        endpoints[which].answer(None, body.as_bytes()).await.ok()
    };
    let next = ask(1, &token).await.unwrap();
    let next = next["refresh_token"].as_str().unwrap();
    assert!(ask(0, next).await.is_some(), "the other server knows the next one");
    assert!(ask(0, &token).await.is_none() && ask(1, next).await.is_none(), "shown again, it ends them all");
}

/// Redis is gone for a moment: nobody is told something that is not so, and what was acknowledged is there afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_go_on_when_redis_is_back() {
    let mut server = Server::start(&[]).await;
    let scene = Scene::over(connected(&server.settings()).await);
    let endpoint = token_endpoint(&scene).await;
    let (kept, code) = (
        endpoint.families.begin("kept", &grant()).await.unwrap(),
        endpoint.codes.issue(issued()).await.unwrap(),
    );
    server.kill().await;
    let body = format!("grant_type=refresh_token&client_id=client&refresh_token={kept}");
    assert!(endpoint.answer(None, body.as_bytes()).await.is_err());
    server.restart().await;
    let client =
        Shown { client: "client", redirect: Some("https://client.example/callback"), verifier: VERIFIER };
    let begun = std::time::Instant::now();
    loop {
        match endpoint.codes.redeem(&code, &client).await {
            Ok(redeemed) => break assert!(matches!(redeemed, Redeemed::Granted(_))),
            // The connection is found again after a while.
            Err(_) if begun.elapsed() < Duration::from_secs(20) => tokio::task::yield_now().await,
            Err(problem) => panic!("{problem:?}"),
        }
    }
    assert!(endpoint.answer(None, body.as_bytes()).await.is_ok());
}
