//! What a person sees: pages in Chromium, driven by playwright-core. `tests/run` prepares both.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a visit that cannot be made has failed"
)]

mod harness;
mod journeys;
mod scene;
mod sign_in;

use axum::{
    Router,
    extract::State,
    response::Html,
    routing::{get, post},
};
use countersign_fixtures::http::Server;
use harness::visit;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

const FRONT: &str = r#"<!doctype html>
<title>Front</title>
<link rel="icon" href="data:,">
<a href="/count">Count</a>"#;

const COUNT: &str = r#"<!doctype html>
<title>Count</title>
<link rel="icon" href="data:,">
<button>Once more</button>
<output></output>
<script>
  const press = async () => {
    const answer = await fetch("/press", { method: "POST" });
    document.querySelector("output").textContent = `Pressed ${await answer.text()} times`;
  };
  document.querySelector("button").addEventListener("click", press);
</script>"#;

const CURIOUS: &str = r#"<!doctype html>
<title>Curious</title>
<link rel="icon" href="data:,">
<img src="http://192.0.2.1/pixel.png" alt="">"#;

#[tokio::test]
async fn a_person_follows_a_link_and_presses_a_button() {
    let presses = Arc::new(AtomicU32::new(0));
    let pages = Router::new()
        .route("/", get(async || Html(FRONT)))
        .route("/count", get(async || Html(COUNT)))
        .route("/press", post(press))
        .with_state(presses.clone());
    let server = Server::start(pages).await;

    let visit = visit("press", &server.url()).await;

    assert_eq!(visit.answer, json!({ "title": "Count", "said": "Pressed 2 times" }));
    assert_eq!(presses.load(Ordering::Relaxed), 2);
    assert_eq!(visit.complaints, [""; 0]);
    assert_eq!(visit.strays(), [""; 0]);
    assert!(visit.shows_something(), "{} is no picture", visit.picture.display());
}

#[tokio::test]
async fn a_page_that_asks_elsewhere_is_noticed_and_gets_nothing() {
    let server = Server::start(Router::new().route("/", get(async || Html(CURIOUS)))).await;

    let visit = visit("look", &server.url()).await;

    assert_eq!(visit.strays(), ["http://192.0.2.1/pixel.png"]);
    assert_eq!(visit.connections, [server.address().to_string()]);
}

async fn press(State(presses): State<Arc<AtomicU32>>) -> String {
    (presses.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}
