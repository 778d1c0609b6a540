//! The misbehaving server does what it is told to, and nothing else.

use super::{
    ask, text,
    world::{message, modern, send},
};
use countersign_fixtures::{
    http::Server,
    mcp::{
        PATH,
        misbehaving::{Fault, Misbehaving},
    },
};
use countersign_tests::{
    client::Plain,
    mcp::{Era, Person, Wire},
};
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn without_faults_it_is_the_everything_server() {
    let (server, misbehaving) = start().await;
    for era in [Era::Legacy, Era::Modern] {
        let client = Wire::default().connect(&url(&server), era, ()).await.unwrap();
        assert_eq!(
            text(&client, "test_simple_text", json!({})).await,
            "This is a simple text response for testing."
        );
    }
    assert_eq!(misbehaving.asked("tools/call"), 2);
    assert_eq!(misbehaving.asked("initialize"), 1);
}

#[tokio::test]
async fn what_it_answers_can_be_chosen() {
    let (server, misbehaving) = start().await;
    let long_name = "x".repeat(200);
    let error = json!({"code": -32603, "message": "out of order", "data": {"detail": [1, 2]}});
    type Check = fn(&Value) -> bool;
    let cases: Vec<(Fault, Check)> = vec![
        (Fault::Result(json!({"tools": 7})), |answer| answer["result"]["tools"] == 7),
        (Fault::Error(200, error.clone()), |answer| answer["error"]["data"]["detail"][1] == 2),
        (Fault::ForeignId, |answer| answer["id"] == "nobody's"),
        (Fault::Huge(1_000_000), |answer| {
            answer["result"]["content"][0]["text"].as_str().unwrap().len() == 1_000_000
        }),
        (Fault::EndlessPages, |answer| answer["result"]["nextCursor"] == "1"),
        (Fault::InvalidHeaders, |answer| names(answer).len() == 13 && names(answer)[0] == "good_tool"),
        (Fault::HostileNames, |answer| names(answer).iter().filter(|name| **name == "twice").count() == 2),
        (Fault::RequestState("\u{0}\r\n../".to_owned()), |answer| {
            answer["result"]["resultType"] == "input_required"
                && answer["result"]["requestState"] == "\u{0}\r\n../"
        }),
        (Fault::EndlessRounds, |answer| answer["result"]["requestState"] == "+"),
    ];
    for (fault, is_right) in cases {
        misbehaving.faults().add("tools/list", fault.clone(), Some(1));
        let answer = send(modern(&url(&server), "tools/list", json!({}))).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
        assert!(is_right(&message(&answer)), "{fault:?}: {:.2000}", answer.text());
    }
    misbehaving.faults().add("tools/list", Fault::HostileNames, Some(1));
    let answer = send(modern(&url(&server), "tools/list", json!({}))).await;
    assert!(names(&message(&answer)).contains(&long_name.as_str()));
    assert!(names(&message(&send(modern(&url(&server), "tools/list", json!({}))).await)).len() >= 35);
}

#[tokio::test]
async fn http_can_go_wrong_too() {
    let (server, misbehaving) = start().await;
    for (fault, status, header, value) in [
        (Fault::Status(503), 503, "content-type", "text/plain"),
        (
            Fault::Redirect("http://127.0.0.1:1/elsewhere".to_owned()),
            307,
            "location",
            "http://127.0.0.1:1/elsewhere",
        ),
        (
            Fault::Challenge("Bearer error=\"invalid_token\"".to_owned()),
            401,
            "www-authenticate",
            "Bearer error=\"invalid_token\"",
        ),
        (Fault::Raw(200, "text/html".to_owned(), "<p>Sign in".to_owned()), 200, "content-type", "text/html"),
        (Fault::Malformed, 200, "content-type", "application/json"),
        (Fault::GarbageEvents, 200, "content-type", "text/event-stream"),
        (Fault::EmptyEvents, 200, "content-type", "text/event-stream"),
        (Fault::LongLine(2_000_000), 200, "content-type", "text/event-stream"),
    ] {
        misbehaving.faults().add("ping", fault.clone(), Some(1));
        let answer = send(modern(&url(&server), "ping", json!({}))).await;
        assert_eq!(answer.status.as_u16(), status, "{fault:?}");
        assert_eq!(answer.header(header), value, "{fault:?}");
        assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "{fault:?}");
    }
    misbehaving.faults().add("*", Fault::Reset, Some(1));
    let reset = Plain::default().send(modern(&url(&server), "ping", json!({})).map(Full::new)).await;
    assert!(reset.is_err());
}

#[tokio::test]
async fn the_truth_can_come_late_in_pieces_or_in_part() {
    let (server, misbehaving) = start().await;
    let truth = send(modern(&url(&server), "server/discover", json!({}))).await;

    misbehaving.faults().add("server/discover", Fault::Slow(50), Some(1));
    let started = Instant::now();
    let late = send(modern(&url(&server), "server/discover", json!({}))).await;
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(late.body, truth.body);

    misbehaving.faults().add("server/discover", Fault::Trickle(0), Some(1));
    let pieces = send(modern(&url(&server), "server/discover", json!({}))).await;
    assert_eq!(pieces.body, truth.body);

    misbehaving.faults().add("server/discover", Fault::Cut(40), Some(1));
    let part = send(modern(&url(&server), "server/discover", json!({}))).await;
    assert_eq!(part.body, truth.body.slice(..40));
}

#[tokio::test]
async fn a_stream_can_go_on_for_ever() {
    let (server, misbehaving) = start().await;
    misbehaving.faults().add("tools/call", Fault::EndlessEvents, Some(1));
    let request = modern(&url(&server), "tools/call", json!({"name": "test_simple_text"}));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut body = client.request(request.map(Full::new)).await.unwrap().into_body();
    let mut seen = String::new();
    while !seen.contains("\"data\":9") {
        let frame = body.frame().await.expect("it does not end").unwrap();
        seen.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
    }
}

#[tokio::test]
async fn sessions_can_be_forgotten() {
    let (server, misbehaving) = start().await;
    let client = Wire::default().connect(&url(&server), Era::Legacy, ()).await.unwrap();
    ask(&client, "test_echo", json!({})).await.unwrap();
    misbehaving.faults().add("tools/call", Fault::ForgetSessions, Some(1));
    // rmcp's client opens another session and calls again.
    ask(&client, "test_echo", json!({})).await.unwrap();
    assert_eq!(misbehaving.asked("initialize"), 2);
    assert_eq!(misbehaving.asked("tools/call"), 3);
}

#[tokio::test]
async fn rounds_can_go_on_for_ever() {
    let (server, misbehaving) = start().await;
    misbehaving.faults().add("tools/call", Fault::EndlessRounds, None);
    let (person, _heard) = Person::listening();
    let client = Wire::default().connect(&url(&server), Era::Modern, person).await.unwrap();
    let given_up = ask(&client, "test_simple_text", json!({})).await.unwrap_err();
    assert!(given_up.to_string().contains("rounds"), "{given_up}");
    assert_eq!(misbehaving.asked("tools/call"), 10);
}

#[tokio::test]
async fn faults_can_be_ordered_over_http() {
    let (server, misbehaving) = start().await;
    let faults = format!("{}/_faults", server.url());
    let order =
        json!({"method": "ping", "fault": {"error": [500, {"code": -1, "message": "ordered"}]}, "times": 1});
    assert_eq!(Plain::default().post_json(&faults, &order).await.status, StatusCode::NO_CONTENT);
    let fault = Fault::Error(500, json!({"code": -1, "message": "ordered"}));
    assert_eq!(misbehaving.faults().take("ping"), Some(fault));
}

async fn start() -> (Server, Misbehaving) {
    let misbehaving = Misbehaving::default();
    (Server::start(misbehaving.router()).await, misbehaving)
}

fn url(server: &Server) -> String {
    format!("{}{PATH}", server.url())
}

fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default()).collect()
}
